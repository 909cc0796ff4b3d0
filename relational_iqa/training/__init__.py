"""Training: a folder a system, and what the systems share.

loop            trainer, checkpoint, reporting, several processes
data            ranked sets rendered once, pairs and batches of them, the judge that labels them
losses          pure functions
pixel_perfect   distortion stage, scoring stage; `riqa pretrain`
pmos, reiqa, spips   stages and fits of the other systems
"""
