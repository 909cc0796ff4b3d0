"""From maps to sentences.

findings           what differs between two images: axis, side, strength, share, place
places             "lower left", "mostly top", "everywhere"
margins            "slightly better", "1.3 levels", and below which margin a verdict is a tie
strengths          "faint", "moderate", "strong"
confidence         "95 % sure", and below which confidence the verdict is "cannot tell"
fallback_reasons   what is said where no finding explains the verdict
sentences          the sentence that names all of this
"""
