#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# test-template-refusals.sh - names, recipes, images and manifests that are wrong: each is refused with its reason
#
# timeout-minutes: 10
set -eu
. tests/lib/tiny_appliance.sh

# refused PATTERN COMMAND...: it fails with a line that says so
refused() {
	local pattern=$1
	shift
	tiny_fails "$@"
	tiny_says "$pattern"
	tiny_expect_clean
}

# add_recipe NAME: a copy of the tiny one
add_recipe() {
	cp -R "$TMPDIR/recipes/tiny" "$TMPDIR/recipes/$1"
}

# break_image FILTER: image.json changed by jq
break_image() {
	local file=$appliance_state/lib/images/tiny/image.json
	jq "$1" "$file" >"$TMPDIR/image.json"
	cat "$TMPDIR/image.json" >"$file"
}

tiny_start
lib=$appliance_state/lib

echo "names"
for name in a/b .. ../tiny Tiny 'a b' -a a- "$(printf 'a%.0s' {1..64})"; do
	tiny_fails carrel template build -- "$name"
	tiny_fails carrel template publish -- "$name"
	tiny_fails carrel template build tiny --recipe "$name"
done
[ "$(carrel_json '(.jobs? // .) | length' job list)" = 0 ] || fail "a bad name became a job: $(carrel job list)"

echo "recipes: unknown, failing, talking nonsense, without a script"
refused "'?unknown'?" carrel template build tiny --recipe unknown --wait
add_recipe failing
echo 'the mirror is away: try later' >"$TMPDIR/recipes/failing/fail"
refused 'the mirror is away: try later' carrel template build failing --wait
add_recipe scriptless
rm "$TMPDIR/recipes/scriptless/build"
refused "build script" carrel template build scriptless --wait
add_recipe lineless
sed -i '/^cmdline/d' "$TMPDIR/recipes/lineless/recipe.conf"
refused "recipe.conf.*cmdline|cmdline.*recipe.conf" carrel template build lineless --wait
add_recipe talking
{
	printf 'progress 999 x y\nprogress -1 a b\nprogress\nprogress 50 %s z\nprogress 40 \377\376 z\n' "$(printf 'x%.0s' {1..5000})"
	head -c 200000 /dev/urandom
	head -c 100000 /dev/zero | tr '\0' a
	echo
} >"$TMPDIR/recipes/talking/say"
carrel template build talking --wait >/dev/null || fail "a recipe that prints garbage and works did not: $(tiny_job .error)"
cp "$TMPDIR/recipes/talking/say" "$TMPDIR/recipes/failing/fail"
refused 'failed' carrel template build failing --wait
[ ! -e "$lib/images/failing" ] || fail "a failed build left an image"

echo "images: none, an unknown key, another version, a disk, a kernel and an initrd that are cut short"
refused "'?tiny'?.*(build|image)" carrel template publish tiny --wait
carrel template build tiny --wait >/dev/null
cp -a "$lib/images/tiny" "$TMPDIR/good"
break_image '.colour = "red"'
refused "image.json' .*colour.*build the image again" carrel template publish tiny --wait
cp "$TMPDIR/good/image.json" "$lib/images/tiny/image.json"
break_image '.v = 99'
refused "image.json' .*build the image again" carrel template publish tiny --wait
cp "$TMPDIR/good/image.json" "$lib/images/tiny/image.json"
for file in disk.img kernel initrd; do
	truncate -s -4096 "$lib/images/tiny/$file"
	refused "tiny/$file' is no plain file of [0-9]+ bytes: build the image again" carrel template publish tiny --wait
	rm -rf "$lib/images/tiny"
	cp -a "$TMPDIR/good" "$lib/images/tiny"
done
[ ! -e "$lib/templates/tiny" ] || fail "a refused publish left a template"

echo "a manifest damaged on the disk: that version is refused with its reason, the other is offered"
carrel template publish tiny --wait >/dev/null
cp -a "$lib/templates/tiny/1" "$TMPDIR/two"
jq '.version = 2' "$TMPDIR/two/manifest.json" >"$TMPDIR/manifest" && cat "$TMPDIR/manifest" >"$TMPDIR/two/manifest.json"
mv "$TMPDIR/two" "$lib/templates/tiny/2"
touch_up() {
	# hostd looks again when it has something to report
	carrel template build tiny --wait >/dev/null
}
touch_up
wait_until 20 tiny_has_versions "1 2" || fail "the versions are '$(tiny_versions)'"
echo '{"v": 1, "name": "tiny", "colour": "red"' >"$lib/templates/tiny/2/manifest.json"
touch_up
wait_until 20 tiny_has_versions 1 || fail "a damaged version is offered: '$(tiny_versions)'"
grep -q "'$lib/templates/tiny/2' is no template version" "$appliance_log" || fail "hostd does not say why it refuses the version"
appliance_make_pool p 1 ada
[ "$(grep -c "tiny/2' is no template version" "$appliance_log")" = 1 ] || fail "it says so again and again"
appliance_stop
