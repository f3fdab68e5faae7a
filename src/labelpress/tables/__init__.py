"""The store's files, event tables and label versions: all that knows of fsspec and Delta Lake."""
