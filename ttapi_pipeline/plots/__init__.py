# SPDX-FileCopyrightText: 2026 ttapi_pipeline contributors
# SPDX-License-Identifier: MIT
"""Charts of the datasets as PNG bytes: frames in, picture out.

Put here: what a chart shows and how it looks. Not here: the figures in it (`analytics`), and where its file is put
(`defs`).

Matplotlib is imported when a chart is drawn: nothing else needs it, and it takes most of a second.
"""
