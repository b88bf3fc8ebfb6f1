# The function `conda` for fish, and its prompt: as conda.sh.
set -gx CONDA_EXE "@PREFIX@/bin/conda"
set -gx _CONDA_EXE "@PREFIX@/bin/conda"
set -e _CE_M
set -e _CE_CONDA
set -gx CONDA_PYTHON_EXE "@PREFIX@/bin/python"
set -gx _CONDA_ROOT "@PREFIX@"

if not set -q CONDA_SHLVL
    set -gx CONDA_SHLVL 0
    set -gx PATH "@PREFIX@/condabin" $PATH
end

function conda
    switch "$argv[1]"
        case activate deactivate
            eval ($CONDA_EXE shell.fish $argv)
        case install update upgrade remove uninstall
            $CONDA_EXE $argv
            and eval ($CONDA_EXE shell.fish reactivate)
        case '*'
            $CONDA_EXE $argv
    end
end

# The environment's name stands at the right, or at the left where CONDA_LEFT_PROMPT is set; CONDA_DISABLE_FISH_PROMPT leaves prompts alone.
function __conda_show_environment
    set -q CONDA_PROMPT_MODIFIER
    and printf '%s%s%s' (set_color -o green) $CONDA_PROMPT_MODIFIER (set_color normal)
end

function __conda_keep_status
    return $argv[1]
end

if not set -q CONDA_DISABLE_FISH_PROMPT
    for side in fish_prompt fish_right_prompt
        functions -q __conda_before_$side
        and continue
        if functions -q $side
            functions -c $side __conda_before_$side
        else
            function __conda_before_$side
            end
        end
    end
    function fish_prompt
        set -l last $status
        set -q CONDA_LEFT_PROMPT
        and __conda_show_environment
        __conda_keep_status $last
        __conda_before_fish_prompt
    end
    function fish_right_prompt
        set -q CONDA_LEFT_PROMPT
        or __conda_show_environment
        __conda_before_fish_right_prompt
    end
end
