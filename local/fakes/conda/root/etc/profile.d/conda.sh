# The shell function `conda` for posix shells: a program cannot change the shell that called it, so the function evaluates what it prints.
export CONDA_EXE='@PREFIX@/bin/conda'
export _CONDA_EXE='@PREFIX@/bin/conda'
export _CE_M=''
export _CE_CONDA=''
export CONDA_PYTHON_EXE='@PREFIX@/bin/python'
export _CONDA_ROOT='@PREFIX@'

__conda_change_shell() {
    \local changes
    # Where the prompt is no environment variable, conda is told what it is.
    changes=$(PS1="${PS1-}" "$CONDA_EXE" shell.posix "$@") || \return
    \eval "$changes"
    case ${ZSH_VERSION-} in
    '') \hash -r ;;
    *) \rehash ;;
    esac
}

conda() {
    case "${1-}" in
    activate | deactivate)
        __conda_change_shell "$@"
        ;;
    install | update | upgrade | remove | uninstall)
        "$CONDA_EXE" "$@" || \return
        __conda_change_shell reactivate
        ;;
    *)
        "$CONDA_EXE" "$@"
        ;;
    esac
}

case ${CONDA_SHLVL-first} in
first)
    export CONDA_SHLVL=0
    export PATH="@PREFIX@/condabin${PATH:+:$PATH}"
    PS1=${PS1-} # there has to be a prompt to put back; not exported, for a shell started from this one has its own
    ;;
esac
