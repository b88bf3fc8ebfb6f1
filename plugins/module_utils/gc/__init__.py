"""Garbage collection: unused generations, packages and wheels, run by the scheduled clean."""
