"""pMOS: pretrained on the engine's pseudo-labels (`pretrain`, `stage`), fitted to people (`fit_mos`)."""
