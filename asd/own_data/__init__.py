"""A workspace around somebody's own pictures: find their form, look at all of them, choose params."""
