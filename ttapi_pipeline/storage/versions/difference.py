# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""The difference of two versions of a table, row by row. Counting alone, for tables of any size: `storage.changes`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from ttapi_pipeline.core.errors import DataError
from ttapi_pipeline.storage.hashing import NOT_CONTENT

_AFTER = "\x00after"
"""Ends the names of the columns of the second version while both are joined; no column has it."""


@dataclass(frozen=True, slots=True)
class Difference:
    """What makes the second of two versions out of the first. All rows are sorted by the key.

    Attributes:
        key: Columns that no two rows have in common.
        new: Rows of the second version whose key the first does not have.
        gone: Rows of the first version whose key the second does not have.
        before: Rows of the first version whose key is in both and whose content differs.
        after: The same rows, in the same order, as the second version has them.
        columns_new: Columns that only the second version has. They are in no row of `after`, which is compared by the
            columns of both.
        columns_gone: Columns that only the first version has.
    """

    key: Sequence[str]
    new: pl.DataFrame
    gone: pl.DataFrame
    before: pl.DataFrame
    after: pl.DataFrame
    columns_new: Sequence[str] = ()
    columns_gone: Sequence[str] = ()

    @property
    def is_empty(self) -> bool:
        """Whether both versions say the same."""
        return not (self.new.height or self.gone.height or self.after.height or self.columns_new or self.columns_gone)

    def per_column(self) -> Mapping[str, int]:
        """In how many of the changed rows each column has another value; columns without such rows are left out."""
        counts = {name: int(_differs(self.before[name], self.after[name]).sum()) for name in _content(self)}
        return {name: count for name, count in counts.items() if count}

    def cells(self) -> pl.DataFrame:
        """The changed values, one row each: the key, `column`, and the value `before` and `after` as text."""
        parts = [
            self.before.select(
                *self.key,
                column=pl.lit(name),
                before=_as_text(self.before[name]),
                after=_as_text(self.after[name]),
            ).filter(_differs(self.before[name], self.after[name]))
            for name in _content(self)
        ]
        empty = self.before.select(*self.key, column=pl.lit(""), before=pl.lit(""), after=pl.lit("")).clear()
        return pl.concat([empty, *parts]).sort(*self.key, "column", nulls_last=False)

    def apply(self, first: pl.DataFrame) -> pl.DataFrame:
        """The content of the second version, made from the first.

        Raises:
            DataError: The two versions have different columns.
        """
        if self.columns_new or self.columns_gone:
            raise DataError("versions with different columns cannot be made from each other")
        replaced = pl.concat([self.gone.select(self.key), self.before.select(self.key)])
        kept = first.join(replaced, on=list(self.key), how="anti", nulls_equal=True)
        return pl.concat([kept, self.after, self.new]).sort(self.key, nulls_last=False)


def difference(first: pl.LazyFrame, second: pl.LazyFrame, key: Sequence[str]) -> Difference:
    """Compare two versions of a table.

    Args:
        first: The earlier one, each key once.
        second: The later one, each key once. A column that is of another type than before counts as another column.
        key: Columns of both; a null there is the same as another one.
    """
    schema, schema_after = first.collect_schema(), second.collect_schema()
    common = [name for name, dtype in schema_after.items() if schema.get(name) == dtype]
    old, new = first.collect(), second.collect()
    both = old.select(common).join(
        new.select(common), on=list(key), how="inner", nulls_equal=True, suffix=_AFTER, maintain_order="left"
    )
    content = [name for name in common if name not in {*key, *NOT_CONTENT}]
    changed = both.filter(pl.any_horizontal(pl.col(name).ne_missing(pl.col(name + _AFTER)) for name in content))
    changed = (changed if content else both.clear()).sort(key, nulls_last=False)
    others = [name for name in common if name not in key]
    return Difference(
        key=key,
        new=new.join(old, on=list(key), how="anti", nulls_equal=True).sort(key, nulls_last=False),
        gone=old.join(new, on=list(key), how="anti", nulls_equal=True).sort(key, nulls_last=False),
        before=changed.select(common),
        after=changed.select(*key, *(pl.col(name + _AFTER).alias(name) for name in others)).select(common),
        columns_new=[name for name in schema_after if name not in common],
        columns_gone=[name for name in schema if name not in common],
    )


def _content(found: Difference) -> Sequence[str]:
    return [name for name in found.before.columns if name not in {*found.key, *NOT_CONTENT}]


def _differs(before: pl.Series, after: pl.Series) -> pl.Series:
    return before.ne_missing(after)


def _as_text(values: pl.Series) -> pl.Series:
    if isinstance(values.dtype, pl.List):
        return values.cast(pl.List(pl.String)).list.join(" ")
    return values.cast(pl.String)
