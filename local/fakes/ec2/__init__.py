"""EC2 on this machine: moto's API on loopback, and container hosts in the place of its instances."""
