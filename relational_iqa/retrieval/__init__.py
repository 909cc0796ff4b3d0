"""Which known distortion looks like this pair of images: FAISS over relation embeddings.

index                the index of recipes: built, saved, searched
relation_embedding   a pair of images as one vector
recipe_words         recipes in words
near_duplicates      photographs of one folder that show up in another
"""
