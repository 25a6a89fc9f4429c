"""The bytes behind the emulated disks: small real file systems, shipped compressed, and what makes them."""
