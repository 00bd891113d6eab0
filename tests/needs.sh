# What the tests need and where it is to be had; sourced by tests/run, which calls provide_needs.
#
# Each need is looked up before it is proposed: a package that apt does not have, or has too old, is not named. Some steps can be left
# out: what they alone need is wished for, and each says why it cannot run here.
#
# A new need gets its line in find_needs: `need WORDS PACKAGE...` if a program is missing, `rustup_commands+=` if rustup has it.

needed_packages=()   # of Debian, for apt-get
rustup_commands=()   # for the user's own rustup
manual=()            # what this script cannot install, in a sentence each
wished_packages=()   # for steps that may be left out
wished_commands=()   # the same, for rustup
rustup_tried=no      # after that, what rustup could not download is looked for elsewhere
wishes_tried=no      # after that, what could not be installed is done without
become=""            # what goes before a command that root has to run
may_install=no       # whether this script may install packages
apt_options=()       # where apt looks
declare -A candidates=()  # versions that were looked up, by package

# The oldest compiler that takes this workspace, and its edition: the manifest says so.
rust_min=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
edition=$(sed -n 's/^edition = "\(.*\)"/\1/p' Cargo.toml)

runs() { # COMMAND...
    "$@" >/dev/null 2>&1
}

# --- Versions ---

is_at_least() { # VERSION MINIMUM
    [ -n "$1" ] && [ "$(printf '%s\n' "$1" "$2" | sort -V | head -n 1)" = "$2" ]
}

# The first number with a point that a program prints of itself.
version_of() { # COMMAND...
    "$@" 2>/dev/null | grep -o '[0-9]\+\.[0-9.]*[0-9]' | head -n 1 || true
}

# Sets `found` to the version of a package that apt would install, without epoch and the distribution's own part; empty if it has none.
find_candidate() { # PACKAGE
    if [ -z "${candidates[$1]+known}" ]; then
        candidates[$1]=$(LC_ALL=C apt-cache "${apt_options[@]}" policy "$1" 2>/dev/null |
            sed -n 's/^ *Candidate: \(([^)]*)\)\{0,1\}//p' | sed 's/^[0-9]*://; s/[-+~].*//' || true)
    fi
    found=${candidates[$1]}
}

# Whether apt has all of these packages, the first of them in this version or later.
has_packages() { # MINIMUM PACKAGE...
    local minimum=$1 package found
    shift
    find_candidate "$1"
    is_at_least "$found" "$minimum" || return 1
    for package in "$@"; do
        find_candidate "$package"
        [ -n "$found" ] || return 1
    done
}

# Has apt look for packages of today. Whoever may not change the machine's lists gets lists of their own.
refresh_lists() {
    local folder=$CARGO_TARGET_DIR/apt
    candidates=()
    if ! runs apt-get --version; then return; fi
    if [ $may_install = yes ]; then
        ${become}apt-get -q update || true
    else
        mkdir -p "$folder/lists/partial" "$folder/archives/partial"
        apt_options=(-o "Dir::State::lists=$folder/lists" -o "Dir::Cache=$folder" -o APT::Sandbox::User=)
        # Where that fails, the machine's own lists are better than none.
        runs apt-get "${apt_options[@]}" update || apt_options=()
    fi
}

# Whether this script may install packages, and what else has to be written before a command that only root can run.
find_rights() {
    if [ "$(id -u)" = 0 ]; then
        may_install=yes
    elif runs sudo --version; then
        become="sudo "
        if runs sudo -n true; then may_install=yes; fi
    fi
    if ! runs apt-get --version; then may_install=no; fi
}

# --- Rust ---

# The first compiler in PATH, rustup's or the distribution's: whichever is new enough.
choose_rust() {
    local rustup_bin=${CARGO_HOME:-${HOME:-}/.cargo}/bin all bin
    PATH=$PATH:$rustup_bin
    all=$PATH
    for bin in "" "$rustup_bin:" /usr/bin:; do
        PATH=$bin$all
        # A shell remembers where it has found programs.
        hash -r
        if is_at_least "$(version_of rustc --version)" "$rust_min"; then return; fi
    done
    PATH=$all
}

is_rust_complete() {
    local rust
    rust=$(version_of rustc --version)
    is_at_least "$rust" "$rust_min" && runs cargo --version && runs rustdoc --version || return 1
    # A rustfmt that does not know the edition writes everything anew, and clippy has to be of the compiler's own version. Programs are
    # run, not just looked up: rustup leaves some that only say that their component is missing.
    runs rustfmt --edition "$edition" --style-edition "$edition" --check || return 1
    [ "$(version_of cargo clippy --version)" = "0.${rust%.*}" ]
}

is_rustup_in_use() {
    runs rustup --version && [ $rustup_tried = no ]
}

# Sets `family` to the first of these lists of packages that apt has, new enough; empty if it has none.
find_family() { # LIST...
    local list
    for list in "$@"; do
        read -r -a family <<<"$list"
        if has_packages "$rust_min" "${family[@]}"; then return; fi
    done
    family=()
}

# A distribution's compiler. Debian's releases have a newer one besides, for their browsers, which ends in -web.
find_distribution_rust() {
    find_family "rustc cargo rustfmt rust-clippy" "rustc-web cargo-web rustfmt-web rust-web-clippy"
}

# The same with its library's sources and a linker, which make a library for another machine.
find_distribution_sources() {
    find_family "rustc rust-src lld" "rustc-web rust-web-src lld"
}

# What is needed in words, and the packages that have it.
need() { # WORDS PACKAGE...
    local words=$1
    shift
    if has_packages 0 "$@"; then
        needed_packages+=("$@")
    else
        manual+=("$words: this system's packages have no $*")
    fi
}

find_rust() {
    if is_rust_complete; then return; fi
    local here family
    here=$(version_of rustc --version)
    if is_rustup_in_use; then
        if ! is_at_least "$here" "$rust_min"; then rustup_commands+=("rustup update stable" "rustup default stable"); fi
        rustup_commands+=("rustup component add rustfmt clippy")
    elif [ $rustup_tried = no ] && has_packages 0 rustup; then
        needed_packages+=(rustup)
        rustup_commands+=("rustup default stable")
    else
        find_distribution_rust
        if [ ${#family[@]} != 0 ]; then
            needed_packages+=("${family[@]}")
        else
            manual+=("Rust $rust_min or later, with cargo, rustfmt, and clippy of the same version (here: ${here:-none}, and this system's \
packages have none that is new enough): https://rustup.rs has it, for which nobody need be root")
        fi
    fi
}

# Whether rustup may be asked for a library, now or once it is installed.
has_rustup_library() {
    is_rustup_in_use || [ ${#rustup_commands[@]} != 0 ]
}

# For the probe rustup's library is the smaller one by far; where rustup cannot download, the distribution has one.
find_probe() {
    local family
    if runs tests/probe/link --which && { [ "$full" = no ] || runs tests/probe/link --std sources --which; }; then return; fi
    if ! runs tests/probe/link --which && has_rustup_library; then
        rustup_commands+=("rustup target add thumbv6m-none-eabi")
        return
    fi
    find_distribution_sources
    if [ ${#family[@]} != 0 ]; then
        needed_packages+=("${family[@]}")
    elif ! runs tests/probe/link --which; then
        manual+=("Rust's library for thumbv6m-none-eabi: rustup has it (https://rustup.rs; rustup target add thumbv6m-none-eabi)")
    fi
}

# --- Everything else ---

# Tests make networks of their own, which some systems do not allow to everybody.
find_namespaces() {
    # As tests/src/namespace.rs makes them.
    if ! runs unshare --version || runs unshare --user --map-root-user --net true || runs unshare --net true; then return; fi
    local setting file
    for setting in kernel/apparmor_restrict_unprivileged_userns=0 kernel/unprivileged_userns_clone=1 user/max_user_namespaces=10000; do
        file=/proc/sys/${setting%=*}
        if [ -e "$file" ] && [ "$(cat "$file")" != "${setting#*=}" ]; then
            manual+=("Networks of the tests' own (unshare --user --net) are not allowed here: ${become:-as root: }sysctl -w ${setting//\//.}")
            return
        fi
    done
    manual+=("Networks of the tests' own (unshare --user --net) are not allowed here, as in many containers and in a chroot")
}

has_certificates() {
    local file
    for file in "${SSL_CERT_FILE:-}" /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/cert.pem; do
        if [ -e "$file" ]; then return; fi
    done
    return 1
}

# Without these the tests do not run.
find_needs() {
    needed_packages=() rustup_commands=() manual=()
    find_rust
    # The compiler alone is not enough: it links with the C library's start files.
    if ! [ -e "$(cc -print-file-name=crt1.o 2>/dev/null)" ]; then need "a C compiler and library, to link with" gcc libc6-dev; fi
    # cargo downloads libraries.
    if ! has_certificates; then need "the certificates that downloads are checked with" ca-certificates; fi
    if ! runs ip -V || ! runs tc -V; then need "ip and tc" iproute2; fi
    if ! runs unshare --version || ! runs nsenter --version; then need "unshare and nsenter" util-linux; fi
    # It puts faults into a copy of the sources (tests/fault).
    if ! runs patch --version; then need "patch" patch; fi
    # The documents' smallest clients: what can be typed, and the examples.
    if ! runs sh -c 'nc -h 2>&1 | grep -q OpenBSD'; then need "nc" netcat-openbsd; fi
    if ! runs python3 --version; then need "python3, for the documents' examples" python3; fi
    # It counts instructions.
    if ! runs valgrind --version; then need "valgrind" valgrind; fi
    find_namespaces
    find_probe
}

# --- The Pi's image: its step is skipped where it cannot run ---

# Programs that the image needs and that are not there, each with the oldest version that will do and its package.
missing_of_image() {
    local what program package
    if ! is_at_least "$(version_of python3 --version)" 3.11; then echo "python3 3.11 python3"; fi
    while read -r what program package; do
        if [[ $what != "#"* ]] && ! command -v "$program" >/dev/null; then echo "$program 0 $package"; fi
    done <pi-image/needs.txt
}

# Whether programs can be compiled for another machine.
has_library() { # TARGET
    compgen -G "$(rustc --print target-libdir --target "$1" 2>/dev/null)/libstd-*.rlib" >/dev/null ||
        runs tests/probe/link --std sources --which
}

# --- The page in a browser: its step is skipped where it cannot run ---

# What is to be installed for it: with all that they need about 130 MB to download, and 440 MB on the disk.
browser_packages=(chromium chromium-driver)

has_browser() {
    command -v chromedriver >/dev/null && { command -v chromium || command -v google-chrome || command -v chromium-browser; } >/dev/null
}

# Why the page cannot be tested here; nothing if it can.
obstacle_of_page() {
    if has_browser; then return; fi
    if has_packages 0 "${browser_packages[@]}"; then
        echo "no browser is installed (${become:-as root: }apt-get install ${browser_packages[*]}, about 130 MB to download)"
    else
        echo "no browser is here, and this system's packages have no ${browser_packages[*]}"
    fi
}

find_wishes() {
    wished_packages=() wished_commands=()
    if [ $wishes_tried = yes ]; then return; fi
    find_image_wishes
    if ! has_browser && has_packages 0 "${browser_packages[@]}"; then wished_packages+=("${browser_packages[@]}"); fi
}

# Nothing is wished for if something else is missing that cannot be had.
find_image_wishes() {
    local program minimum package target wished=() family=()
    while read -r program minimum package; do
        if ! has_packages "$minimum" "$package"; then return; fi
        wished+=("$package")
    done < <(missing_of_image)
    # The packages for PCs are built in the full run alone.
    for target in aarch64-unknown-linux-musl $([ "$full" = no ] || echo x86_64-unknown-linux-musl); do
        if has_library "$target"; then continue; fi
        if has_rustup_library; then
            wished_commands+=("rustup target add $target")
        else
            find_distribution_sources
            if [ ${#family[@]} = 0 ]; then return; fi
        fi
    done
    wished_packages=("${wished[@]}" "${family[@]}")
}

# Why the image cannot be built and booted here; nothing if it can.
obstacle_of_image() {
    local program minimum package words=() reason
    while read -r program minimum package; do
        if has_packages "$minimum" "$package"; then
            words+=("$program is not installed (${become:-as root: }apt-get install $package)")
        else
            words+=("$program is not here, and this system's packages have no $package$([ "$minimum" = 0 ] || echo " $minimum or later")")
        fi
    done < <(missing_of_image)
    if [ ${#words[@]} != 0 ]; then
        printf '%s\n' "${words[@]}" | paste -s -d ';' | sed 's/;/; /g'
    elif ! reason=$(pi-image/build --which 2>&1); then
        echo "$reason"
    fi
}

# --- Clients of other systems: what cannot run here is skipped by tests/platforms, which says so ---

find_platform_wishes() {
    if [ $wishes_tried = yes ]; then return; fi
    local target
    for target in x86_64-pc-windows-gnu aarch64-apple-darwin; do
        if ! compgen -G "$(rustc --print target-libdir --target $target 2>/dev/null)/libstd-*.rlib" >/dev/null && has_rustup_library; then
            wished_commands+=("rustup target add $target")
        fi
    done
    if ! runs x86_64-w64-mingw32-gcc --version && has_packages 0 gcc-mingw-w64-x86-64; then wished_packages+=(gcc-mingw-w64-x86-64); fi
    if ! runs wine --version && has_packages 0 wine wine64; then wished_packages+=(wine wine64); fi
}

# --- Providing ---

is_complete() {
    [ ${#needed_packages[@]} = 0 ] && [ ${#rustup_commands[@]} = 0 ] && [ ${#manual[@]} = 0 ]
}

has_wishes() {
    [ ${#wished_packages[@]} != 0 ] || [ ${#wished_commands[@]} != 0 ]
}

# Fills the two lists with what is missing, each once.
list_missing() {
    mapfile -t packages < <(printf '%s\n' "${needed_packages[@]}" "${wished_packages[@]}" | awk 'NF && !seen[$0]++')
    mapfile -t commands < <(printf '%s\n' "${rustup_commands[@]}" "${wished_commands[@]}" | awk 'NF && !seen[$0]++')
}

print_missing() {
    local packages commands
    list_missing
    if [ ${#packages[@]} != 0 ]; then
        if [ "$(id -u)" != 0 ] && [ -z "$become" ]; then echo "  as root:"; fi
        echo "  ${become}apt-get update && ${become}apt-get install -y --no-install-recommends ${packages[*]}"
    fi
    if [[ " ${packages[*]} " == *" ${browser_packages[0]} "* ]]; then
        echo "  (of these, ${browser_packages[*]} are for the page's test alone: about 130 MB to download, 440 MB on the disk)"
    fi
    if [ ${#commands[@]} != 0 ]; then printf '  %s\n' "${commands[@]}"; fi
    if [ ${#manual[@]} != 0 ]; then printf '  %s\n' "${manual[@]}"; fi
}

install_missing() {
    # Nothing that is installed is removed for it: whether that may be is for the user to say.
    local install="${become}env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=120 install -y --no-remove \
--no-install-recommends" packages commands command
    if [ ${#needed_packages[@]} != 0 ]; then $install "${needed_packages[@]}" || true; fi
    if [ ${#wished_packages[@]} != 0 ]; then $install "${wished_packages[@]}" || true; fi
    list_missing
    wishes_tried=yes
    hash -r
    if [ ${#commands[@]} != 0 ] && runs rustup --version; then
        for command in "${commands[@]}"; do
            # Its own time limits add up to many minutes where nothing answers.
            timeout 600 bash -c "$command" || true
        done
        rustup_tried=yes
    fi
    choose_rust
}

find_all() {
    find_needs
    find_wishes
    find_platform_wishes
}

# Installs what is missing if this user may do so, else says in one go what to install.
provide_needs() {
    local round
    find_rights
    choose_rust
    find_all
    if ! is_complete || [ -n "$(missing_of_image)" ] || ! has_browser; then
        refresh_lists
        find_all
    fi
    for round in 1 2; do
        if is_complete && ! has_wishes; then break; fi
        # Whoever cannot have everything installed is told everything at once.
        if [ $may_install = no ] && [ ${#needed_packages[@]} != 0 ]; then break; fi
        if [ $may_install = no ] && [ ${#wished_packages[@]} != 0 ]; then
            wished_packages=() wished_commands=() wishes_tried=yes
            if is_complete; then break; fi
        fi
        echo "Something is missing. Installing it ($round):"
        print_missing
        install_missing
        find_all
    done
    if ! is_complete; then
        echo "Something is missing. Install it, then run tests/run again:"
        print_missing
        return 1
    fi
    rustc --version
}
