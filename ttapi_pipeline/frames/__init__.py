# SPDX-License-Identifier: MIT
"""One schema per dataset, conforming to it, storing it, and the expressions of returns and volatility (Polars)."""
