# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
# recipe_job.sh - carrel-worker's job "build" with a recipe of the tree, as root of a user namespace (sourced)

recipe_job_root=$(cd "${BASH_SOURCE[0]%/*}/../.." && pwd)
recipe_job_uid=$((1000000 + ${CARREL_TEST_LANE:-0}))

# recipe_job_find RECIPE: sets $recipe_folder and $recipe_build; a recipe of the tests may share debian-openbox's build
recipe_job_find() {
	recipe_folder=$recipe_job_root/templates/recipes/$1
	[ -d "$recipe_folder" ] || recipe_folder=$recipe_job_root/tests/recipes/$1
	recipe_build=$recipe_folder/build
	[ -f "$recipe_build" ] || recipe_build=$recipe_job_root/templates/recipes/debian-openbox/build
	[ -d "$recipe_folder" ]
}

# recipe_job_prepare FOLDER RECIPE WORKER AGENT: copies all parts there, because the namespace's root may not read this
# tree; image/ is where the job works
recipe_job_prepare() {
	local folder=$1
	recipe_job_find "$2"
	chmod 0755 "$folder"
	cp -R "$recipe_folder" "$folder/recipe"
	[ -f "$folder/recipe/build" ] || cp "$recipe_build" "$folder/recipe/"
	mkdir "$folder/libexec" "$folder/image"
	cp "$3" "$folder/libexec/carrel-worker"
	cp "$recipe_job_root/tests/lib/worker_job.py" "$folder/libexec/"
	install -m 0755 "$4" "$folder/libexec/carrel-agent"
	chmod -R u=rwX,go=rX "$folder"
	chown "$recipe_job_uid:$recipe_job_uid" "$folder/image"
}

# recipe_job_run FOLDER NAME &: as launch starts it, in place of the shell that calls it; prints the steps and DONE. The
# caller's TMPDIR is not for the namespace's root
recipe_job_run() {
	exec env -u TMPDIR CARREL_LIBEXEC_DIR="$1/libexec" \
		python3 -B "$recipe_job_root/tests/lib/build_namespace.py" "$recipe_job_uid" \
		python3 -B "$1/libexec/worker_job.py" "$1/libexec/carrel-worker" build \
		"{\"template\":\"$2\",\"recipe\":\"$1/recipe\",\"staging\":\"$1/image\"}"
}
