"""What the gate takes for granted, measured.

order_scale.py   how sure the order of two distances to one reference is, by their difference
"""
