#!/usr/bin/env bash
# Builds the Debian packages and prints their names.
#
#   systemd/package.sh [amd64|arm64|armhf ...]      all three by default, into dist/
#
# The version is git's: a tag v1.2 gives 1.2, four commits later 1.2+4.g1a2b3c4,
# and without a tag 0~ and the time of the commit. VERSION=... overrides it.
set -euo pipefail
cd "$(dirname "$0")/.."

# Two at a time would share dist/build.
exec 9<systemd/package.sh
flock 9

NFPM=github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.43.0

if [ -z "${VERSION:-}" ]; then
	if tag=$(git describe --tags --match 'v[0-9]*' 2>/dev/null); then
		VERSION=$(sed -E 's/^v//; s/-([0-9]+)-g/+\1.g/; s/-/~/g' <<<"$tag")
	else
		VERSION=0~$(TZ=UTC git log -1 --date=format-local:%Y%m%d.%H%M%S --format=%cd+g%h) ||
			{ echo "package.sh: no git here to take the version from; set VERSION=1.2.3" >&2; exit 1; }
	fi
fi
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2>/dev/null || date +%s)
MAINTAINER=${MAINTAINER:-$(git log -1 --format='%an <%ae>' 2>/dev/null || echo 'lwa-agent <root@localhost>')}
export VERSION MAINTAINER SOURCE_DATE_EPOCH

shared=dist/build/shared
mkdir -p "$shared"

# What is in the binary: ours, and the licences of what is linked into it.
licences() {
	echo "lwa-agent, by ${MAINTAINER%% <*} and the other authors in its history. All rights reserved."
	echo "The program holds these modules, each under the licence that follows it."
	CGO_ENABLED=0 GOOS=linux go list -deps -f '{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}} {{.Dir}}{{end}}{{end}}' ./cmd/lwa-agent |
		sort -u | while read -r module version dir; do
		printf '\n==== %s %s\n\n' "$module" "$version"
		texts=$(find "$dir" -maxdepth 1 -type f \( -iname 'licen[cs]e*' -o -iname 'copying*' -o -iname 'notice*' \) | sort)
		[ -n "$texts" ] || { echo "package.sh: $module has no licence file" >&2; exit 1; }
		xargs -d '\n' cat <<<"$texts"
	done
	printf '\n==== Go %s, its library and runtime\n\n' "$(go env GOVERSION)"
	cat "$(go env GOROOT)/LICENSE"
}
licences >"$shared/copyright"

gzip -9n >"$shared/changelog.gz" <<EOT
lwa-agent ($VERSION) stable; urgency=medium

  * Built from commit $(git rev-parse HEAD 2>/dev/null || echo unknown).

 -- $MAINTAINER  $(date -uRd "@$SOURCE_DATE_EPOCH")
EOT

# The completions are the program's own, so it is built for this machine, too.
CGO_ENABLED=0 go build -trimpath -o "$shared/native" ./cmd/lwa-agent
for shell in bash zsh fish; do
	"$shared/native" completion "$shell" >"$shared/completion.$shell"
done

# So are the manual pages.
rm -rf "$shared/man"
mkdir -p "$shared/man"
go run ./cmd/lwa-man -version "$VERSION" -date "$(date -u -d "@$SOURCE_DATE_EPOCH" +%F)" "$shared/man"
gzip -9n "$shared"/man/*

[ $# -gt 0 ] || set -- amd64 arm64 armhf
for ARCH in "$@"; do
	case $ARCH in
	amd64) target=(GOARCH=amd64) ;;
	arm64) target=(GOARCH=arm64) ;;
	# Debian's armhf means arm v7, Raspberry Pi OS's v6, and a Pi Zero has that.
	armhf) target=(GOARCH=arm GOARM=6) ;;
	*)
		echo "package.sh: no such architecture: $ARCH; one of amd64, arm64, armhf" >&2
		exit 2
		;;
	esac
	BUILD=dist/build/$ARCH
	mkdir -p "$BUILD"
	rm -rf "$BUILD/man"
	cp -R "$shared"/{copyright,changelog.gz,completion.*,man} "$BUILD"
	env CGO_ENABLED=0 GOOS=linux "${target[@]}" go build -trimpath -buildvcs=auto -tags nethttpomithttp2 -ldflags '-s -w' -o "$BUILD/lwa-agent" ./cmd/lwa-agent
	deb=dist/lwa-agent_${VERSION}_$ARCH.deb
	export ARCH BUILD
	go run "$NFPM" package --config systemd/nfpm.yaml --packager deb --target "$deb" >/dev/null
	echo "$deb"
done
