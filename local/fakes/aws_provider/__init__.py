"""A fake of Pulumi's AWS provider plugin: checked against pulumi_aws's classes, carried out by an emulated EC2.

It exists for machines that cannot have the official plugin, whose place it takes on PATH. Whatever it does not know, a
resource type, a property or a lookup, it refuses with an error that names it.
"""
