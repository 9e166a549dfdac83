# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
# tiny_appliance.sh - an appliance with the tiny recipe (tiny.sh) in place of the golden image (sourced, in place of appliance.sh)
#
# tiny_start runs it with nothing built; `carrel template build tiny` and `publish tiny` take seconds there. The recipes
# are the test's own copy in $TMPDIR/recipes: a file `say` or `fail` in one makes it do wrong.

. "${BASH_SOURCE[0]%/*}/appliance.sh"
# shellcheck disable=SC2034
appliance_template=tiny

# tiny_start [CONFIG-LINES]: for what has to be there before the services, tiny_prepare and appliance_restart
tiny_start() {
	tiny_prepare "$@"
	appliance_restart
}

tiny_prepare() {
	local recipes
	recipes=$(bash "$appliance_tools/tiny.sh") || fail "there is no tiny recipe"
	cp -R "$recipes" "$TMPDIR/recipes"
	chmod 0755 "$TMPDIR/recipes"
	appliance_prepare "${1:-}
[template]
recipes = $TMPDIR/recipes"
}

# tiny_fails COMMAND...: it must fail; its output is kept in $said
tiny_fails() {
	! said=$("$@" 2>&1) || fail "it should have failed: $*: $said"
}

# tiny_says PATTERN: does what was said last tell this? A regular expression
tiny_says() {
	grep -qE -- "$1" <<<"$said" || fail "it does not say '$1' but: $said"
}

# tiny_versions: prints the versions that hostd reports, in one line
tiny_versions() {
	carrel_json '[(.templates? // .)[] | select(.name == "tiny") | .version] | sort | join(" ")' template list
}

tiny_has_versions() {
	[ "$(tiny_versions)" = "$1" ]
}

# tiny_expect_versions "1 2": what hostd reports and what is on the disk; nothing is left in staging
tiny_expect_versions() {
	local found
	wait_until 20 tiny_has_versions "$1" || fail "hostd reports the versions '$(tiny_versions)', not '$1'"
	found=$(cd "$appliance_state/lib/templates/tiny" 2>/dev/null && find . -mindepth 1 -maxdepth 1 -printf '%P\n' | sort -n | tr '\n' ' ')
	[ "${found% }" = "$1" ] || fail "on the disk are the versions '$found', not '$1'"
	tiny_expect_clean
}

# tiny_expect_clean: jobs leave nothing; what is removed later than the job's end is waited for
tiny_expect_clean() {
	wait_until 20 tiny_is_clean || fail "left in staging: $(find "$appliance_state/lib/staging" -mindepth 1)"
}

tiny_is_clean() {
	[ -z "$(find "$appliance_state/lib/staging" -mindepth 1 -maxdepth 1)" ]
}

# tiny_job FILTER: of the newest job
tiny_job() {
	carrel_json "(.jobs? // .) | max_by(.created_ms) | $1" job list
}

# tiny_begin VERB: begins a job of the recipe without waiting for it; sets $job
tiny_begin() {
	job=$(carrel_json .job template "$1" tiny)
}

# tiny_wait_step STEP: until the job $job is at that step (a regular expression)
tiny_wait_step() {
	wait_until 60 tiny_is_at "$1" || fail "the job is not at '$1' but at '$(tiny_show .step)', $(tiny_show .state): $(tiny_show .error)"
}

tiny_is_at() {
	[[ $(tiny_show .step) =~ ^($1)$ ]]
}

tiny_show() {
	carrel_json "$1" job show "$job"
}

# tiny_wait_state STATE: until the job $job has it
tiny_wait_state() {
	wait_until 60 tiny_has_state "$1" || fail "the job is '$(tiny_show .state)' and not '$1': $(tiny_show .error)"
	said=$(tiny_show .error)
}

tiny_has_state() {
	[ "$(tiny_show .state)" = "$1" ]
}

# tiny_is_over: has the job $job ended, in whatever way?
tiny_is_over() {
	[[ $(tiny_show .state) =~ ^(done|failed|cancelled)$ ]]
}

# tiny_has_ended PID: it is gone, or what is left of it waits for its parent
tiny_has_ended() {
	[ ! -e "/proc/$1" ] || [ "$(awk '{ print $3 }' "/proc/$1/stat" 2>/dev/null)" = Z ]
}
