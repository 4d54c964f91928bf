# SPDX-License-Identifier: MIT
"""Charts of the datasets as PNG bytes: frames in, picture out. Where a picture is put is `defs`' business.

Matplotlib is imported when a chart is drawn: nothing else needs it, and it takes most of a second.
"""
