"""`conda init`: the block in a user's shell files that makes `conda` a function in every new shell."""

from __future__ import annotations

import os
import re
from argparse import Namespace
from pathlib import Path

from .errors import unknown
from .settings import Settings

_BLOCK = re.compile(r"^# >>> conda initialize >>>\n.*?^# <<< conda initialize <<<\n?", re.DOTALL | re.MULTILINE)


def rc_file(shell: str) -> Path:
    """The file that conda init writes to, on Linux."""
    home = Path.home()
    if shell == "fish":
        return home / ".config/fish/config.fish"
    if shell == "zsh":
        return Path(os.environ.get("ZDOTDIR") or home) / ".zshrc"
    return home / ".bashrc"


def block(shell: str, prefix: str) -> str:
    """The lines between conda's markers."""
    if shell == "fish":
        lines = [
            f"if test -f {prefix}/bin/conda",
            f'    eval {prefix}/bin/conda "shell.fish" "hook" $argv | source',
            "else",
            f'    if test -f "{prefix}/etc/fish/conf.d/conda.fish"',
            f'        . "{prefix}/etc/fish/conf.d/conda.fish"',
            "    else",
            f'        set -x PATH "{prefix}/bin" $PATH',
            "    end",
            "end",
        ]
    else:
        lines = [
            f"__conda_setup=\"$('{prefix}/bin/conda' 'shell.{shell}' 'hook' 2> /dev/null)\"",
            "if [ $? -eq 0 ]; then",
            '    eval "$__conda_setup"',
            "else",
            f'    if [ -f "{prefix}/etc/profile.d/conda.sh" ]; then',
            f'        . "{prefix}/etc/profile.d/conda.sh"',
            "    else",
            f'        export PATH="{prefix}/bin:$PATH"',
            "    fi",
            "fi",
            "unset __conda_setup",
        ]
    head = ["# >>> conda initialize >>>", "# !! Contents within this block are managed by 'conda init' !!"]
    return "\n".join([*head, *lines, "# <<< conda initialize <<<", ""])


def init(args: Namespace, settings: Settings) -> int:
    """`conda init [bash|zsh|fish]... [--reverse] [--dry-run]`: the user's own files only."""
    shells = args.shells or ["bash"]
    strange = [shell for shell in shells if shell not in ("bash", "zsh", "fish")]
    if strange:
        raise unknown(f"conda init {' '.join(strange)}: bash, zsh and fish only")
    changed = False
    for shell in shells:
        path = rc_file(shell)
        before = path.read_text(encoding="utf-8") if path.exists() else ""
        after = _BLOCK.sub("", before)
        if args.reverse:
            after = after.rstrip("\n") + "\n" if after.strip() else after
        else:
            own = block(shell, settings.conda_prefix).replace("\\", "\\\\")
            after = _BLOCK.sub(own, before, count=1) if _BLOCK.search(before) else f"{before}\n{own}\n"
        if after != before and not args.dry_run:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(after, encoding="utf-8")
        changed = changed or after != before
        print(f"{'modified' if after != before else 'no change':14}{path}")
    if not changed:
        print("No action taken.")
    elif args.dry_run:
        print("\n==> DRY RUN: The above changes would have been made. NO ACTUAL CHANGES WERE MADE. <==\n")
    else:
        print("\n==> For changes to take effect, close and re-open your current shell. <==\n")
    return 0
