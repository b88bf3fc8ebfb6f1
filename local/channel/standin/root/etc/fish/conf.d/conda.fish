# The function `conda` for fish, and its prompt: as conda.sh.
set -gx CONDA_EXE "@PREFIX@/bin/conda"
set -gx _CONDA_EXE "@PREFIX@/bin/conda"
set -e _CE_M || true
set -e _CE_CONDA || true
set -gx CONDA_PYTHON_EXE "@PREFIX@/bin/python"
set -gx _CONDA_ROOT "@PREFIX@"

if not set -q CONDA_SHLVL
    set -gx CONDA_SHLVL 0
    set -gx PATH @PREFIX@/condabin $PATH
end

if not set -q CONDA_DISABLE_FISH_PROMPT
    function __conda_add_prompt
        if set -q CONDA_PROMPT_MODIFIER
            set_color -o green
            echo -n $CONDA_PROMPT_MODIFIER
            set_color normal
        end
    end
    if not functions -q __fish_prompt_orig
        if functions -q fish_prompt
            functions -c fish_prompt __fish_prompt_orig
            functions -e fish_prompt
        else
            function __fish_prompt_orig
            end
        end
    end
    function __conda_status
        return $argv
    end
    function fish_prompt
        set -l last_status $status
        if set -q CONDA_LEFT_PROMPT
            __conda_add_prompt
        end
        __conda_status $last_status
        __fish_prompt_orig
    end
    if not functions -q __fish_right_prompt_orig
        if functions -q fish_right_prompt
            functions -c fish_right_prompt __fish_right_prompt_orig
            functions -e fish_right_prompt
        else
            function __fish_right_prompt_orig
            end
        end
    end
    function fish_right_prompt
        if not set -q CONDA_LEFT_PROMPT
            __conda_add_prompt
        end
        __fish_right_prompt_orig
    end
end

function conda --inherit-variable CONDA_EXE
    if test (count $argv) -lt 1
        $CONDA_EXE
        return
    end
    set -l cmd $argv[1]
    set -e argv[1]
    switch $cmd
        case activate deactivate
            eval ($CONDA_EXE shell.fish $cmd $argv)
        case install update upgrade remove uninstall
            $CONDA_EXE $cmd $argv
            and eval ($CONDA_EXE shell.fish reactivate)
        case '*'
            $CONDA_EXE $cmd $argv
    end
end
