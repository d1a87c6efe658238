"""Looking after a workspace: what is planned, what it takes, where it stands, what can go."""
