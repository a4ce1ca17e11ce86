# bash completion for coherctl(1)                          -*- shell-script -*-

_coherctl() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
    local common='--socket --json --timeout --help' command='' words i
    local levels='accepted replicated applied'

    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        invalidate | publish | await | watch | status | peers | help)
            command=${COMP_WORDS[i]}
            break
            ;;
        esac
    done

    # A level is part of --wait, behind a "=", at which bash breaks words unless
    # COMP_WORDBREAKS says otherwise.
    if [[ $cur == --wait=* ]]; then
        mapfile -t COMPREPLY < <(compgen -P --wait= -W "$levels" -- "${cur#*=}")
        return
    elif [[ $prev == --wait && $cur == = ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$levels")
        return
    elif [[ $prev == = && ${COMP_WORDS[COMP_CWORD - 2]} == --wait ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$levels" -- "$cur")
        return
    fi

    case $prev in
    --socket)
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
        return
        ;;
    --timeout)
        mapfile -t COMPREPLY < <(compgen -W '500ms 2s 5s 1m' -- "$cur")
        return
        ;;
    --key | --tag | --prefix | --count)
        return
        ;;
    esac

    case $command in
    invalidate) words="--key --tag --prefix --all --soft --stdin --version --again-after --wait $common" ;;
    publish) words="--key --wait $common" ;;
    watch) words="--prefix --count $common" ;;
    await | status | peers) words=$common ;;
    help) words='' ;;
    *) words="invalidate publish await watch status peers --version $common" ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}

complete -F _coherctl coherctl
