"""How two pictures are brought before the same eye: images of different sizes aligned to one."""
