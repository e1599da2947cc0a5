"""Label sources: a folder per genre, a table, the tags of the files, or a public collection. Imports no torch."""
