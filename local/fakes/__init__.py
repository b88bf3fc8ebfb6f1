"""What machines get that cannot reach the real thing; each is as strict as the real thing where that is known."""
