"""The core: distortion stage, scoring stage, and `riqa pretrain`, which runs both."""
