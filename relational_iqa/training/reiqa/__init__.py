"""Re-IQA: chunks, crops, views and batches (`data`, `overlap_crops`, `content_views`, `batches`), two MoCo-v2 stages
(`stage`), experts and regressor (`fit`)."""
