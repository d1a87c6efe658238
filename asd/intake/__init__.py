"""The gate that data drops from strangers pass, and what becomes of them; trusts nothing."""
