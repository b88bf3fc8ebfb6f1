"""Define the kinds of drift: what each means, and how it is repaired."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from ....module_utils.prefix.damage import DamageKind


class Kind(Enum):
    """The kinds of drift, in the order of a report: causes before consequences."""

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
    ENV_BLOCKED = "env-blocked"
    ENV_DIGEST = "env-digest"
    ENV_UNFINISHED = DamageKind.UNFINISHED.value
    ENV_IDENTITY = DamageKind.IDENTITY.value
    CONTENT = "content"
    MANIFEST = DamageKind.MANIFEST.value
    CLOBBERED = "clobbered"
    PIP_INSTALLED = "pip-installed"
    RECORD = DamageKind.RECORD.value
    FILE_MISSING = DamageKind.MISSING.value
    FILE_ALTERED = DamageKind.ALTERED.value
    FILE_EXTRA = DamageKind.EXTRA.value
    FILE_SPECIAL = DamageKind.SPECIAL.value
    FILE_MODE = DamageKind.MODE.value
    FILE_OWNER = DamageKind.OWNER.value
    FILE_UNREADABLE = DamageKind.UNREADABLE.value
    IN_USE_LOCK = DamageKind.IN_USE_LOCK.value
    INSTALL_PLAN = DamageKind.INSTALL_PLAN.value
    BASE_MISSING = "base-missing"
    BASE_BLOCKED = "base-blocked"
    BASE_VERSION = "base-version"
    BASE_NOT_FROZEN = "base-not-frozen"
    BASE_PACKAGES = "base-packages"
    SHELL_LINE = "shell-line"
    CONDARC = "condarc"
    CONDARC_UNMANAGED = "condarc-unmanaged"
    RATTLER = "rattler"
    HOST_FILES = "host-files"
    CLEAN_SCHEDULE = "clean-schedule"
    CLEAN_FAILED = "clean-failed"
    TOUCHED = "touched"
    UNDECLARED = "undeclared"
    LEFTOVERS = "leftovers"


@dataclass(frozen=True)
class About:
    """What a kind means in one sentence, the remedy, and the role that repairs it ("" for a manual step)."""

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
        "Two hosts of the inventory are the same machine, so one of them was not inspected.",
        "Correct the address (ansible_host) of one, or remove one of the names from the inventory.",
    ),
    Kind.SETTINGS: About(
        "The variables do not define what the host should hold, or cannot be read.",
        "Correct the variable that the line names.",
    ),
    Kind.UNREADABLE: About(
        "Something could not be inspected, so it is unknown whether it is in sync.",
        "Make it readable for the user of the play (the line gives the reason), or give it more time "
        "(-e seconds=N), then audit again.",
    ),
    Kind.ROOT_MISSING: About("lockstep_root does not exist: nothing is installed.", SITE, "miniconda"),
    Kind.ROOT_FILESYSTEM: About(
        "lockstep_root is on a network file system or a read-only one.",
        "Move lockstep_root to a local disk, or mount its file system for writing.",
    ),
    Kind.FOLDER_MODE: About(
        "Other users can write to a folder below lockstep_root, or own it.",
        "Correct its owner and mode (0755), then find out who changed it.",
    ),
    Kind.SYSTEM_REQUIREMENTS: About(
        "The machine does not meet the system requirements that its environments were locked for.",
        "Update the driver or the system, or lower lockstep_system_requirements and lock again.",
    ),
    Kind.NOT_LOCKED: About(
        "An environment is declared for this host, and its tier has no lock for it or for this platform.",
        "Lock it (playbooks/lock.yml) or promote it (playbooks/promote.yml), or remove it from lockstep_envs.",
    ),
    Kind.ENV_MISSING: About("A declared environment is not installed.", SITE, "conda_envs"),
    Kind.ENV_LINK: About("The link that publishes an environment leads to no generation of it.", SITE, "conda_envs"),
    Kind.ENV_BLOCKED: About(
        "Something else is where a link, folder or lock of an environment should be.",
        "Move it away, then run site.yml; Lockstep overwrites nothing that it did not make.",
    ),
    Kind.ENV_DIGEST: About(
        "The published environment is not the one that the tier's lock declares.", SITE, "conda_envs"
    ),
    Kind.ENV_UNFINISHED: About(
        "The published generation has no valid completion marker: its build did not finish, or the marker was altered.",
        REPAIR,
        "conda_envs",
    ),
    Kind.ENV_IDENTITY: About(
        "The completion marker is that of another generation, or the records name other packages than the lock.",
        REPAIR,
        "conda_envs",
    ),
    Kind.CONTENT: About(
        "Hosts of the same digest hold different contents: an archive was altered before it was installed here.",
        "Find out how that archive came to the host; then remove the generation and the package's folder in pkgs "
        "there, and run site.yml, which fetches and verifies it again.",
    ),
    Kind.MANIFEST: About("The list of an environment's files was altered or lost.", REPAIR, "conda_envs"),
    Kind.CLOBBERED: About("pip has overwritten a package that conda installed.", REPAIR, "conda_envs"),
    Kind.PIP_INSTALLED: About("A Python package is installed that is not in the lock.", REPAIR, "conda_envs"),
    Kind.RECORD: About("A package's record in conda-meta was added, altered or removed.", REPAIR, "conda_envs"),
    Kind.FILE_MISSING: About("A file of an environment is missing.", REPAIR, "conda_envs"),
    Kind.FILE_ALTERED: About("A file of an environment has other contents.", REPAIR, "conda_envs"),
    Kind.FILE_EXTRA: About("An environment holds a file that belongs to no package.", REPAIR, "conda_envs"),
    Kind.FILE_SPECIAL: About("An environment holds a pipe, socket or device.", REPAIR, "conda_envs"),
    Kind.FILE_MODE: About(
        "The mode of a file or folder of an environment lets others write, or keeps some users from reading.",
        REPAIR,
        "conda_envs",
    ),
    Kind.FILE_OWNER: About("A file or folder of an environment belongs to another user.", REPAIR, "conda_envs"),
    Kind.FILE_UNREADABLE: About("A file or folder of an environment cannot be read.", REPAIR, "conda_envs"),
    Kind.IN_USE_LOCK: About(
        "The in-use lock of a generation is missing or cannot be locked by all users, so that the clean may remove a "
        "generation that jobs use.",
        SITE,
        "conda_envs",
    ),
    Kind.INSTALL_PLAN: About(
        "The install plan of a generation is missing or altered, so that a rollback cannot rely on it.",
        SITE,
        "conda_envs",
    ),
    Kind.BASE_MISSING: About("Miniconda is missing, or its installation or update did not finish.", SITE, "miniconda"),
    Kind.BASE_BLOCKED: About(
        "Miniconda cannot be installed, updated or adopted: it is damaged, newer than declared, or not ours to change.",
        "Do what the line says, then run site.yml; environments do not depend on the base.",
    ),
    Kind.BASE_VERSION: About("Miniconda has a different version, or was not installed by Lockstep.", SITE, "miniconda"),
    Kind.BASE_NOT_FROZEN: About("The base is not frozen: conda or pip can change it.", SITE, "miniconda"),
    Kind.BASE_PACKAGES: About(
        "The base holds more, fewer or other packages than its installer brought.",
        "Move the base away and run site.yml; environments do not depend on it.",
    ),
    Kind.SHELL_LINE: About(
        "The line that makes `conda activate` work is missing from the connecting user's ~/.bashrc.", SITE, "miniconda"
    ),
    Kind.CONDARC: About("The base's .condarc is missing or is not the declared one.", SITE, "condarc"),
    Kind.CONDARC_UNMANAGED: About(
        "Another configuration file of conda exists; one that conda reads before ours can loosen it.",
        "Remove the file, or move its settings into the declaration.",
    ),
    Kind.RATTLER: About(
        "The rattler runtime that builds environments is missing, damaged or a different version.", SITE, "conda_envs"
    ),
    Kind.HOST_FILES: About("One of Lockstep's own files on the host is missing or altered.", SITE, "conda_envs"),
    Kind.CLEAN_SCHEDULE: About("The scheduled clean is not set up as declared.", SITE, "conda_clean"),
    Kind.CLEAN_FAILED: About(
        "The last scheduled clean failed.", "Run bin/lockstep-clean on the host and read its message."
    ),
    Kind.TOUCHED: About(
        "Files have other times than when they were installed, and the right contents (a copy or an image does this).",
        "Nothing has to be done; audits of this host take longer.",
    ),
    Kind.UNDECLARED: About(
        "An environment exists that is not declared for this host.",
        "Declare it in lockstep_envs, or remove its link and let the clean collect it.",
    ),
    Kind.LEFTOVERS: About(
        "Unfinished work of a killed build lies beside an environment.", "The next build or clean removes it."
    ),
}
