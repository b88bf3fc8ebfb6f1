"""What can differ on a host, what each difference means, and how it is repaired."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """What can differ. The order is the order of a report: the cause before what follows from it."""

    UNREACHABLE = "unreachable"
    NOT_OBSERVED = "not-observed"
    SAME_MACHINE = "same-machine"
    SETTINGS = "settings"
    UNREADABLE = "unreadable"
    ROOT_MISSING = "root-missing"
    ROOT_FILESYSTEM = "root-filesystem"
    FOLDER_MODE = "folder-mode"
    SYSTEM_REQUIREMENTS = "system-requirements"
    NOT_LOCKED = "not-locked"
    ENV_MISSING = "env-missing"
    ENV_LINK = "env-link"
    ENV_DIGEST = "env-digest"
    ENV_UNFINISHED = "env-unfinished"
    ENV_IDENTITY = "env-identity"
    CONTENT = "content"
    MANIFEST = "manifest"
    CLOBBERED = "clobbered"
    PIP_INSTALLED = "pip-installed"
    RECORD = "record"
    FILE_MISSING = "file-missing"
    FILE_ALTERED = "file-altered"
    FILE_EXTRA = "file-extra"
    FILE_ODD = "file-odd"
    FILE_MODE = "file-mode"
    FILE_OWNER = "file-owner"
    IN_USE_LOCK = "in-use-lock"
    PLAN = "plan"
    BASE_MISSING = "base-missing"
    BASE_VERSION = "base-version"
    BASE_THAWED = "base-thawed"
    BASE_PACKAGES = "base-packages"
    SHELL_LINE = "shell-line"
    CONDARC = "condarc"
    CONDARC_STRAY = "condarc-stray"
    RATTLER = "rattler"
    TOOLS = "tools"
    CLEAN_SCHEDULE = "clean-schedule"
    CLEAN_FAILED = "clean-failed"
    TOUCHED = "touched"
    UNDECLARED = "undeclared"
    LEFTOVERS = "leftovers"


@dataclass(frozen=True)
class About:
    """What a kind means in one sentence, how it is repaired, and which role does that ("" where a person has to)."""

    sentence: str
    remedy: str
    role: str = ""


SITE = "Run site.yml."
REPAIR = "Run site.yml: it exchanges the generation for a verified one, also while jobs use it."

ABOUT: dict[Kind, About] = {
    Kind.UNREACHABLE: About(
        "The host did not answer.",
        "Bring it back, or declare why it is away and until when (lockstep_maintenance: {reason, until}).",
    ),
    Kind.NOT_OBSERVED: About(
        "There is no observation of the host from this run.", "Do what the line says, then audit again."
    ),
    Kind.SAME_MACHINE: About(
        "Two hosts of the inventory are one machine: nobody can say which of them was looked at.",
        "Correct the address (ansible_host) of one, or leave one of the names out of the inventory.",
    ),
    Kind.SETTINGS: About(
        "The variables do not say what the host should hold, or not in a form that can be read.",
        "Correct the variable that the line names.",
    ),
    Kind.UNREADABLE: About(
        "Something could not be looked at, so nobody can say that it is in order.",
        "Make it readable for the user of the play (the line says what refused), or give it more time (-e seconds=N), "
        "then audit again.",
    ),
    Kind.ROOT_MISSING: About("The fleet's folder is not there: nothing is installed.", SITE, "miniconda"),
    Kind.ROOT_FILESYSTEM: About(
        "The fleet's folder is on a network or read-only file system.", "Move lockstep_root to a local disk."
    ),
    Kind.FOLDER_MODE: About(
        "A folder of ours can be written by others, or belongs to somebody else.",
        "Correct its owner and mode (0755), then ask who changed it.",
    ),
    Kind.SYSTEM_REQUIREMENTS: About(
        "The machine offers less than the system requirements that its environments were locked for.",
        "Update the driver or the system, or lower lockstep_system_requirements and lock again.",
    ),
    Kind.NOT_LOCKED: About(
        "An environment is declared for this host, and its tier has no lock for it or for this platform.",
        "Lock it (playbooks/lock.yml) or promote it (playbooks/promote.yml), or take it out of lockstep_envs.",
    ),
    Kind.ENV_MISSING: About("A declared environment is not there.", SITE, "conda_envs"),
    Kind.ENV_LINK: About(
        "The link that publishes an environment is dangling, foreign, or no link at all.", SITE, "conda_envs"
    ),
    Kind.ENV_DIGEST: About(
        "The environment that is live is not the one that the tier's lock declares.", SITE, "conda_envs"
    ),
    Kind.ENV_UNFINISHED: About(
        "What is live has no valid mark: it was never finished, or its mark was altered.", REPAIR, "conda_envs"
    ),
    Kind.ENV_IDENTITY: About(
        "The mark, or the packages that the records name, are not those that the digest stands for.",
        "Find out who sealed or copied it; then rename the generation's folder on the host and run site.yml.",
    ),
    Kind.CONTENT: About(
        "Hosts of the same digest hold other contents: an archive was altered before it was installed here.",
        "Find out how that archive came to the host; then remove the generation and the package's folder in pkgs "
        "there, and run site.yml, which fetches and verifies it again.",
    ),
    Kind.MANIFEST: About("The list of an environment's files was altered or lost.", REPAIR, "conda_envs"),
    Kind.CLOBBERED: About("pip has overwritten a package that conda installed.", REPAIR, "conda_envs"),
    Kind.PIP_INSTALLED: About("A Python package is there that the lock does not hold.", REPAIR, "conda_envs"),
    Kind.RECORD: About("A package's record in conda-meta was added, altered or removed.", REPAIR, "conda_envs"),
    Kind.FILE_MISSING: About("A file of an environment is missing.", REPAIR, "conda_envs"),
    Kind.FILE_ALTERED: About("A file of an environment has other contents.", REPAIR, "conda_envs"),
    Kind.FILE_EXTRA: About("A file is in an environment that nothing put there.", REPAIR, "conda_envs"),
    Kind.FILE_ODD: About("A pipe, socket or device is in an environment.", REPAIR, "conda_envs"),
    Kind.FILE_MODE: About(
        "Others may write to a file or folder of an environment, or may not read it, or it is not frozen.",
        REPAIR,
        "conda_envs",
    ),
    Kind.FILE_OWNER: About("A file of an environment belongs to somebody else.", REPAIR, "conda_envs"),
    Kind.IN_USE_LOCK: About(
        "The in-use lock file of a generation is missing, so that users cannot protect it from the clean.",
        SITE,
        "conda_envs",
    ),
    Kind.PLAN: About(
        "The plan that a generation was made from is missing or altered, so that a rollback cannot rely on it.",
        SITE,
        "conda_envs",
    ),
    Kind.BASE_MISSING: About("Miniconda is missing or unfinished.", SITE, "miniconda"),
    Kind.BASE_VERSION: About("Miniconda is not the declared version, or nobody's mark is on it.", SITE, "miniconda"),
    Kind.BASE_THAWED: About("The base is not frozen against changes by conda and pip.", SITE, "miniconda"),
    Kind.BASE_PACKAGES: About(
        "The base holds more, less or other packages than its installer brought.",
        "Move the base away and run site.yml; environments do not depend on it.",
    ),
    Kind.SHELL_LINE: About(
        "The line that makes `conda activate` work is not in the connecting user's ~/.bashrc.", SITE, "miniconda"
    ),
    Kind.CONDARC: About("The base's .condarc is missing or not the declared one.", SITE, "condarc"),
    Kind.CONDARC_STRAY: About(
        "Another configuration of conda is there; one that conda reads before ours can loosen it.",
        "Remove the file, or move what it says into the declaration.",
    ),
    Kind.RATTLER: About("The rattler runtime that builds environments is missing or another one.", SITE, "conda_envs"),
    Kind.TOOLS: About("One of our own programs on the host is missing or altered.", SITE, "conda_envs"),
    Kind.CLEAN_SCHEDULE: About("The scheduled clean is not set up as declared.", SITE, "conda_clean"),
    Kind.CLEAN_FAILED: About(
        "The last scheduled clean failed.", "Run bin/lockstep-clean on the host and read what it says."
    ),
    Kind.TOUCHED: About(
        "Files have other times than when they were installed, and the right contents (a copy or an image does this).",
        "Nothing has to be done; audits of this host take longer.",
    ),
    Kind.UNDECLARED: About(
        "An environment is there that is not declared for this host.",
        "Declare it in lockstep_envs, or remove its link and let the clean collect it.",
    ),
    Kind.LEFTOVERS: About(
        "Unfinished work of a killed build lies beside an environment.", "The next build or clean removes it."
    ),
}
