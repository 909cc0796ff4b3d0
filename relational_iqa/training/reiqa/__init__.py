"""Re-IQA: chunks and crops (`data`, `overlap_crops`), two MoCo-v2 stages (`stage`), experts and regressor (`fit`)."""
