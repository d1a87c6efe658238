"""Messages of DVC 3.67 and Prefect 3.8 as they really came, and what we make of them."""

import pytest

from asd.operations.foreign_errors import explain_dvc, explain_prefect

# what was done to it: (the message as it came, what happened, what to type)
DVC = {
    "a dependency was deleted": (
        "failed to reproduce 'one': [Errno 2] No such file or directory: '/w/in.txt'",
        "stage one needs /w/in.txt, which is not there",
        "`asd lock`",
    ),
    "a param was deleted": (
        "failed to reproduce 'one': Parameters 'a' are missing from 'params.yaml'.",
        "params.yaml lacks 'a', on which a stage depends",
        "`asd lock`",
    ),
    "params.yaml cut off": (
        "unable to read: 'params.yaml', YAML file structure is corrupted: while parsing a flow node\n"
        'did not find expected node content\n  in "<unicode string>", line 2, column 1',
        "params.yaml is not valid YAML (near line 2)",
        "`asd doctor`",
    ),
    "dvc.lock cut off": (
        "'./dvc.lock' is invalid.\nWhile parsing a flow node, in line 2, column 1\n"
        "Did not find expected node content, in line 2, column 1",
        "dvc.lock is damaged",
        "`asd run`",
    ),
    "dvc.lock cut off, as dvc's own functions say it": (
        "unable to read: 'dvc.lock', YAML file structure is corrupted\nwhile parsing a flow node\n"
        'did not find expected node content\n  in "<unicode string>", line 2, column 1',
        "dvc.lock is damaged",
        "`asd run`",
    ),
    "dvc.lock with another content": (
        "'./dvc.lock' validation failed.\nexpected a dictionary, in stages -> one, line 3, column 3",
        "dvc.lock is damaged",
        "`git checkout dvc.lock`",
    ),
    "dvc.yaml with another content": (
        "'./dvc.yaml' validation failed.\n\nexpected a dictionary, in stages, line 1, column 9\n"
        "  1 stages: [1]",
        "dvc.yaml is not a pipeline: expected a dictionary, in stages",
        "asd init",
    ),
    "a name that params.yaml lacks": (
        "failed to parse 'stages.one.cmd' in 'dvc.yaml': Could not find 'nokey'",
        "dvc.yaml uses nokey (in stages.one.cmd), which params.yaml does not have",
        "params.yaml",
    ),
    "two stages with one output": (
        "output 'out.txt' is specified in:\n\t- three\n\t- one\n"
        "Use `dvc remove` with any of the above targets to stop tracking the overlapping output.",
        "two stages of dvc.yaml write out.txt",
        "dvc.yaml",
    ),
    "stages in a circle": (
        "Same item(s) are defined as both a dependency and an output in stages: two, one.",
        "stages of dvc.yaml wait for each other: two, one",
        "dvc.yaml",
    ),
    "git tracks an output": (
        "failed to reproduce 'one':  output 'out.txt' is already tracked by SCM (e.g. Git).\n"
        "    You can remove it from Git, then add to DVC.\n        To stop tracking from Git:\n"
        "            git rm -r --cached 'out.txt'\n"
        '            git commit -m "stop tracking out.txt"',
        "git tracks out.txt, which is a result that DVC keeps",
        "`git rm -r --cached out.txt`",
    ),
    "another dvc holds the lock": (
        "Unable to acquire lock. Most likely another DVC process is running or was terminated abruptly. "
        "Check the page <https://dvc.org/doc/user-guide/troubleshooting#lock-issue> for other possible "
        "reasons and to learn how to resolve this.",
        "another dvc works in this workspace",
        "`asd run`",
    ),
    "another dvc works on the output": (
        "failed to reproduce 'one': '/w/out.txt' is busy, it is being blocked by:\n  (PID 1): dvc repro\n"
        "If there are no processes with such PIDs, you can manually remove '/w/.dvc/tmp/rwlock' and try "
        "again.",
        "another dvc (process 1) works on /w/out.txt",
        "`asd run`",
    ),
    "the lock file was cut off": (
        "failed to reproduce 'one': Unable to read RWLock-file '.dvc/tmp/rwlock'. JSON structure is "
        "corrupted: Invalid control character at: line 1 column 6 (char 5)",
        ".dvc/tmp/rwlock was cut off when a dvc was killed",
        "`asd run`",
    ),
    "the cache lost an object": (
        "Checkout failed for following targets:\nout.txt\nfin.txt\nIs your cache up to date?\n"
        "<https://error.dvc.org/missing-files>",
        "the cache lacks results such as out.txt",
        "`asd run`",
    ),
    "the remote is not there": (
        "Some of the cache files do not exist neither locally nor on remote. Missing cache files:\n"
        "md5: 764efa883dda1e11db47671c4a3bbd9e\nEverything is up to date.\n"
        "ERROR: failed to pull data from the cloud - Checkout failed for following targets:\nout.txt\n"
        "Is your cache up to date?\n<https://error.dvc.org/missing-files>",
        "neither the cache nor the remote has some results, or the remote does not answer",
        "`dvc remote list`",
    ),
    "no remote": (
        "failed to push data to the cloud - config file error: no remote specified in /w. Create a default "
        "remote with\n    dvc remote add -d <remote name> <remote url>",
        "no DVC remote is set in this workspace",
        "`dvc remote add -d NAME PLACE`",
    ),
    "no remote, at a pull": (
        "No remote provided and no default remote set.",
        "no DVC remote is set in this workspace",
        "`dvc remote add -d NAME PLACE`",
    ),
    "a remote whose package is missing": (
        "unexpected error - s3 is supported, but requires 'dvc-s3' to be installed: No module named 'dvc_s3'",
        "the remote is of kind s3, for which a package is missing",
        "`pip install dvc-s3`",
    ),
    "a full disk": (
        "unexpected error - database or disk is full",
        "the disk is full",
        "`asd clean --dry-run`",
    ),
    "a file in the place of the cache": (
        "failed to reproduce 'one': [Errno 20] Not a directory: '/w/.dvc/cache/runs/a9/a9a0/4c8e'",
        "/w/.dvc/cache must be a folder and is a file",
        "`asd run`",
    ),
    "a disk that may not be written to": (
        "unexpected error - [Errno 30] Read-only file system: '/w/.dvc/tmp'",
        "may not use /w/.dvc/tmp (Read-only file system)",
        "get the right to write it",
    ),
    "a stage that writes nothing": (
        "failed to reproduce 'one': output 'out.txt' does not exist",
        "a stage ended well but did not write out.txt",
        "dvc.yaml",
    ),
    "no .dvc": (
        "you are not inside of a DVC repository (checked up to mount point '/')",
        "this folder has no .dvc",
        "`asd init .",
    ),
    "a section twice in .dvc/config": (
        "configuration error - config file error: Duplicate section name at line 6.: "
        "Duplicate section name at line 6.",
        ".dvc/config (or config.local) cannot be read: Duplicate section name at line 6.",
        "`asd init`",
    ),
}

PREFECT = {
    "its database was overwritten": (
        "sqlalchemy.exc.DatabaseError: (sqlite3.DatabaseError) file is not a database\n"
        "(Background on this error at: https://sqlalche.me/e/21/4xp6)",
        "its database in .asd/prefect is damaged",
        "delete .asd/prefect",
    ),
    "its port is taken": (
        "uvicorn.error - [Errno 98] error while attempting to bind on address ('127.0.0.1', 4299): "
        "address already in use",
        "its port was taken by another program just now",
        "`asd run`",
    ),
    "another version made its database": (
        "raise util.CommandError(resolution) from re\nalembic.util.exc.CommandError: "
        "Can't locate revision identified by 'ffffffffffff'",
        "its database in .asd/prefect was made by another version of Prefect",
        "delete .asd/prefect",
    ),
    "a FastAPI that is too new": (
        "TypeError: Body() got an unexpected keyword argument 'min_items'",
        "the FastAPI that is installed is too new for Prefect",
        "`pip install 'fastapi<0.151'`",
    ),
    "the named server went away": (
        "RuntimeError: Failed to reach API at http://127.0.0.1:9/api/",
        "no Prefect server answers at http://127.0.0.1:9/api/",
        "unset PREFECT_API_URL",
    ),
}


@pytest.mark.parametrize(("raw", "happened", "cure"), DVC.values(), ids=DVC)
def test_a_message_of_dvc_says_what_happened_and_what_to_type(raw: str, happened: str, cure: str) -> None:
    found = explain_dvc(raw)
    assert found is not None
    assert found.happened == happened
    assert cure in found.cure


@pytest.mark.parametrize(("raw", "happened", "cure"), PREFECT.values(), ids=PREFECT)
def test_a_message_of_prefect_says_what_happened_and_what_to_type(raw: str, happened: str, cure: str) -> None:
    found = explain_prefect(raw)
    assert found is not None
    assert found.happened == happened
    assert cure in found.cure


def test_an_unknown_message_is_left_as_it_is() -> None:
    assert explain_dvc("failed to reproduce 'one': something new") is None
    assert explain_prefect("something new") is None


def test_only_what_may_pass_by_itself_is_tried_again() -> None:
    again = {name for name, (raw, _, _) in DVC.items() if (e := explain_dvc(raw)) and e.retry}
    assert again == {"another dvc holds the lock", "another dvc works on the output"}
