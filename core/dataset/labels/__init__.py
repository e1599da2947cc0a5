"""Label sources: where the genres of a collection come from. A folder per genre, a table, the files' own tags, or a
public collection as it is distributed. Imports no torch."""
