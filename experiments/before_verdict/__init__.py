"""What is noticed before any verdict: whether anything is visible, whether images are aligned and show one scene."""
