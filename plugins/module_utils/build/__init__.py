"""From an install plan to a complete generation, or a repaired one."""
