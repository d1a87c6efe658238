"""The paper's tables and figures, measured here: what each needs, what it says, which claims hold."""
