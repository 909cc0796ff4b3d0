"""Re-IQA: chunks, crops and batches (`data`, `overlap_crops`, `batches`), two MoCo-v2 stages (`stage`), experts and
regressor (`fit`)."""
