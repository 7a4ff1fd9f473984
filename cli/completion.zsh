#compdef pifs
# zsh completion for pifs: pifs completion zsh > "${fpath[1]}/_pifs"
_pifs() {
	local -a opts args
	args=("${words[@]:0:$((CURRENT-1))}")
	[[ "${words[CURRENT]}" == -* ]] && args+=("${words[CURRENT]}")
	opts=("${(@f)$("${args[@]}" --generate-bash-completion 2>/dev/null)}")
	if [[ -n "${opts[1]}" ]]; then
		_describe 'pifs' opts
	else
		_files
	fi
}
_pifs "$@"
