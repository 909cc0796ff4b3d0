"""Do the tests notice? Formulas, losses, signs and words are changed one at a time, and tests that matter must fail."""
