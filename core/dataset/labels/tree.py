"""A tree of genres and subgenres."""

from dataclasses import dataclass
from pathlib import Path

from core.dataset.clip import DatasetError
from core.dataset.metadata import column_list, read_rows
from core.util.text import printable


@dataclass(frozen=True)
class GenreTree:
    """``parents`` maps a genre to its parent; ``titles`` maps an id to its genre."""

    parents: dict[str, str]
    titles: dict[str, str]

    def title(self, name: str) -> str:
        """The genre that an id stands for, or the name itself."""
        return self.titles.get(name, name)

    def path(self, genre: str) -> list[str]:
        """The genre and its ancestors, the root last."""
        path = [genre]
        while (above := self.parents.get(path[-1])) and above not in path:
            path.append(above)
        return path

    def top(self, genre: str) -> str:
        return self.path(genre)[-1]


def read_tree(path: Path) -> GenreTree:
    """Read FMA's genres.csv (``genre_id``, ``parent``, ``title``) or a table with the columns ``child`` and ``parent``.

    Raises:
        DatasetError: the file cannot be read or lacks these columns.
    """
    table = read_rows(path)
    columns, rows = table.columns, table.rows
    for column in columns:
        table.check_single(column)
    lower = {column.casefold(): column for column in columns}
    if {"genre_id", "parent", "title"} <= lower.keys():
        titles = {row[lower["genre_id"]]: row[lower["title"]] for row in rows}
        parents = {row[lower["title"]]: titles[row[lower["parent"]]] for row in rows if row[lower["parent"]] in titles}
        return GenreTree(parents, titles)
    child = next((lower[name] for name in ("child", "genre", "name") if name in lower), None)
    if child is None or "parent" not in lower:
        raise DatasetError(
            f"The genre tree {printable(path)} needs the columns child and parent, or genre_id, parent and title as in "
            f"FMA's genres.csv; it has {column_list(columns) or 'none'}."
        )
    return GenreTree({row[child]: row[lower["parent"]] for row in rows if row[lower["parent"]]}, {})
