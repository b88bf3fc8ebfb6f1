"""Remove unused generations, packages and wheels: the scheduled clean."""
