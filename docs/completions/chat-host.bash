# Made by tests/manual from the options of the program; do not edit.
_chat_host() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} options=""
    COMPREPLY=()
    if ((COMP_CWORD == 1)); then
        COMPREPLY=($(compgen -W "serve check client peer doctor --help --version" -- "$word"))
        return
    fi
    case ${COMP_WORDS[1]}$before in
        serve--udp) :; return ;;
        serve--max-clients) :; return ;;
        serve--tcp) :; return ;;
        serve--max-members) :; return ;;
        serve--rate) :; return ;;
        serve--threads) :; return ;;
        serve--journal) :; return ;;
        serve--clock-state) COMPREPLY=($(compgen -f -- "$word")); return ;;
        serve--web) :; return ;;
        serve--web-origin) :; return ;;
        check--udp) :; return ;;
        check--tcp) :; return ;;
        check--web) :; return ;;
        check--seconds) :; return ;;
        client--tcp) :; return ;;
        client--name) :; return ;;
        client--udp) :; return ;;
        client--color) COMPREPLY=($(compgen -W "always auto never" -- "$word")); return ;;
        client--bell) COMPREPLY=($(compgen -W "off mention all" -- "$word")); return ;;
        client--exec) :; return ;;
        peer--name) :; return ;;
        peer--listen) :; return ;;
        peer--join) :; return ;;
        peer--interface) :; return ;;
        peer--deny) :; return ;;
        peer--color) COMPREPLY=($(compgen -W "always auto never" -- "$word")); return ;;
        peer--bell) COMPREPLY=($(compgen -W "off mention all" -- "$word")); return ;;
        peer--exec) :; return ;;
        doctor--interface) :; return ;;
        doctor--seconds) :; return ;;
    esac
    case ${COMP_WORDS[1]} in
        serve) options="--udp --max-clients --tcp --max-members --rate --threads --journal --clock-state --web --web-origin --qr --help --version" ;;
        check) options="--udp --tcp --web --seconds --help --version" ;;
        client) options="--tcp --name --udp --json --plain --color --bell --exec --headless --help --version" ;;
        peer) options="--name --listen --join --no-discovery --interface --deny --json --plain --color --bell --exec --headless --help --version" ;;
        doctor) options="--interface --seconds --json --help --version" ;;
    esac
    COMPREPLY=($(compgen -W "$options" -- "$word"))
}
complete -F _chat_host chat-host
