"""The Pulumi program of a Lockstep cluster: configuration in, machines and their inventory out."""

from infra.program import main

main()
