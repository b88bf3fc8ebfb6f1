# The shell function `conda` for posix shells: a program cannot change the shell that called it, so the function evaluates what it prints.
export CONDA_EXE='@PREFIX@/bin/conda'
export _CONDA_EXE='@PREFIX@/bin/conda'
export _CE_M=''
export _CE_CONDA=''
export CONDA_PYTHON_EXE='@PREFIX@/bin/python'
export _CONDA_ROOT='@PREFIX@'

__conda_exe() (
    "$CONDA_EXE" "$@"
)

__conda_activate() {
    \local ask_conda
    ask_conda="$(PS1="${PS1:-}" __conda_exe shell.posix "$@")" || \return
    \eval "$ask_conda"
    if [ -n "${ZSH_VERSION:+x}" ]; then
        \rehash
    else
        \hash -r
    fi
}

conda() {
    case "${1-}" in
    activate | deactivate)
        __conda_activate "$@"
        ;;
    install | update | upgrade | remove | uninstall)
        __conda_exe "$@" || \return
        __conda_activate reactivate
        ;;
    *)
        __conda_exe "$@"
        ;;
    esac
}

if [ -z "${CONDA_SHLVL+x}" ]; then
    \export CONDA_SHLVL=0
    PATH="@PREFIX@/condabin${PATH:+":${PATH}"}"
    \export PATH
    # The prompt has to be there to be put back; it is not exported, for a shell started from this one has its own.
    if [ -z "${PS1+x}" ]; then
        PS1=
    fi
fi
