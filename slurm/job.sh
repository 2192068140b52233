# shellcheck shell=bash
# What mosaic.sbatch, array.sbatch and submit share: the site, and a run that can be stopped and resumed.
#
# Sourced; S2RGB_HOME is the folder above this one.
: "${S2RGB_HOME:?is not set}"

say() { printf 's2rgb-slurm: %s\n' "$*" | without_secrets >&2; }
fail() {
    say "error: $*"
    exit 2
}

# Removes query strings, with the signatures in them, and passwords from the URLs in a text, as the program does.
without_secrets() {
    sed -E -e 's#/vsicurl\?[^[:space:]]*#/vsicurl/...#g' -e 's#(://[^?[:space:]]*)\?[^[:space:]]*#\1#g' \
        -e 's#://[^/[:space:]]*@#://#g'
}

# Reads the site, by its name or its file.
read_site() {
    local site=${S2RGB_SITE:-generic}
    [[ $site == */* ]] || site=$S2RGB_HOME/slurm/sites/$site.sh
    [[ -r $site ]] || fail "$site: no such site; there are $(cd "$S2RGB_HOME/slurm/sites" && echo *.sh)"
    # shellcheck source=slurm/sites/generic.sh
    source "$site"
    load_modules
    [[ -x $S2RGB_PYTHON ]] || fail "S2RGB_PYTHON=$S2RGB_PYTHON: no program; ci/setup makes .venv, or name another"
    [[ $S2RGB_LAUNCHER == srun || $S2RGB_LAUNCHER == mpirun ]] ||
        fail "S2RGB_LAUNCHER=$S2RGB_LAUNCHER: neither srun nor mpirun"
    command -v "$S2RGB_LAUNCHER" >/dev/null || fail "no $S2RGB_LAUNCHER here: does load_modules of $site load its MPI?"
}

# Usage: run_products PRODUCT... OPTION...
# The whole of a job. Ends it with the program's own exit code.
run_products() {
    local code=0 output before
    stopped='' cancelled='' child=''
    # Slurm signals this shell alone (--signal=B:). srun and mpirun pass a signal on to all ranks; sent
    # to the steps by Slurm itself it would end mpirun's daemons.
    trap 'stopped=yes; [[ -z $child ]] || kill -USR1 "$child" || true' USR1
    # scancel, preemption or the end of the time: Slurm signals every process of the job by itself, and knows
    # whether it is to be started again.
    trap 'cancelled=yes' TERM
    arguments=("$@")
    read_site
    describe_job
    if [[ ${S2RGB_STAGE-} == yes ]]; then
        trap unstage EXIT
        stage
    fi
    output=$(output_of "$@")
    before=$(inode "$output")
    launch
    if [[ $stopped ]]; then
        code=75
    else
        attend "${command[@]}" "${arguments[@]}" || code=$?
    fi
    # Where srun could not start the ranks it ends with 0 (Slurm 22.05) or 1 (24.11). The program ends with 0 only
    # where the image is there, and never with 1.
    if ((code <= 1)) && [[ -n $output && ! $cancelled ]] && ! is_replaced "$output" "$before"; then
        say "error: $S2RGB_LAUNCHER ended with $code, but $output was not written: did it start the ranks (above)?"
        code=5
    fi
    # 75 alone does not tell: srun also ends with it where it stopped the others because one rank had died. Over
    # 128 the signal came before the ranks could listen to it.
    if [[ $stopped && ! $cancelled ]] && ((code == 75 || code > 128)); then
        [[ ${S2RGB_STAGE-} != yes ]] || unstage # which a job that is put back cannot do any more
        start_again
        code=75
    fi
    exit "$code"
}

describe_job() {
    [[ -n ${SLURM_NTASKS-} ]] || fail "the number of CPUs is not known: sbatch --ntasks=CPUS"
    job=$SLURM_JOB_ID
    [[ -z ${SLURM_ARRAY_JOB_ID-} ]] || job=${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID
    say "job $job, start $((${SLURM_RESTART_COUNT:-0} + 1)), $SLURM_NTASKS CPUs on $SLURM_JOB_NODELIST: ${arguments[*]}"
}

# Usage: output_of ARGUMENT...
# Prints the image that the program is to write, as its arguments have it.
output_of() {
    while (($#)); do
        case $1 in
        -o | --output) echo "${2-}" && return ;;
        --output=*) echo "${1#*=}" && return ;;
        -o?*) echo "${1#-o}" && return ;;
        esac
        shift
    done
}

inode() {
    stat --format=%i "$1" 2>/dev/null || true
}

# Usage: is_replaced FILE INODE
# Tells whether there is a file, and another one than before. A file system of the network may show it late, and
# looks again when the folder is listed.
is_replaced() {
    local i now
    for ((i = 0; i < 10; i++)); do
        ls "$(dirname -- "$1")" >/dev/null || true
        now=$(inode "$1")
        [[ -z $now || $now == "$2" ]] || return 0
        sleep 1
    done
    return 1
}

# Sets command, which is what starts all ranks.
launch() {
    local ranks=$SLURM_NTASKS
    unset SLURM_NTASKS_PER_NODE # it is about CPUs, and srun would hold the ranks to it
    if [[ $S2RGB_OVERCOMMIT == yes ]]; then
        ((ranks += 2))
        export OMPI_MCA_rmaps_base_oversubscribe=1 # mpirun of Open MPI 4
        export PRTE_MCA_rmaps_default_mapping_policy=slot:oversubscribe # mpirun of Open MPI 5
        export OMPI_MCA_mpi_yield_when_idle=1 # srun does not tell Open MPI
    fi
    if [[ $S2RGB_LAUNCHER == mpirun ]]; then
        # MPICH's mpirun is confused by a launcher that Slurm offers beside it.
        export SLURM_MPI_TYPE=none
        command=(mpirun -n "$ranks")
    else
        # Open MPI's wheel has no munge for PMIx, which is what Slurm offers first.
        export PMIX_MCA_psec=native
        command=(srun --mpi="$S2RGB_MPI" --ntasks="$ranks" --kill-on-bad-exit=1)
        [[ $S2RGB_OVERCOMMIT != yes ]] || command+=(--overcommit)
        [[ -z ${S2RGB_TASK_LOGS-} ]] || command+=(--open-mode=append --output="$S2RGB_TASK_LOGS/s2rgb-$job-%t.log")
    fi
    # --resume starts afresh where there is nothing to go on from.
    command+=("$S2RGB_PYTHON" -m s2rgb_mpi --resume)
}

# Usage: attend COMMAND...
# Runs it and hears signals meanwhile: bash runs no trap before a command in the foreground has ended.
attend() {
    "$@" &
    child=$!
    [[ ! $stopped ]] || kill -USR1 "$child" || true # it came before there was a child
    # A signal ends the wait, not the command.
    while kill -0 "$child" 2>/dev/null; do
        wait "$child" || true
    done
    local ended=$child
    child=''
    wait "$ended" # once more, for its status: bash keeps it
}

# Puts the job back into the queue, where it waits for its turn as any other.
start_again() {
    if ((${SLURM_RESTART_COUNT:-0} >= S2RGB_RESTARTS)); then
        say "stopped, and not started again after $S2RGB_RESTARTS times: the same command continues"
        return
    fi
    say "stopped; back into the queue to go on"
    scontrol requeue "$SLURM_JOB_ID" || say "error: could not be put back: the same command continues"
}

# Copies the products to the disk of every machine, and the arguments name the copies. Times are kept, as
# --resume goes by them; links are followed, as products often are some.
stage() {
    local i
    local_folder=${TMPDIR:-/tmp}/s2rgb-$SLURM_JOB_ID
    for ((i = 0; i < ${#arguments[@]}; i++)); do
        [[ ${arguments[i]} != -* ]] || break
        [[ -d ${arguments[i]} || ${arguments[i]} == *.zip ]] || continue # a URL, or a file that names others
        say "copying ${arguments[i]} to $local_folder on $SLURM_JOB_NODELIST"
        # A folder for each: two products may have one name.
        # shellcheck disable=SC2016 # the inner shell expands it
        attend on_every_machine bash -c 'mkdir -p "$2" && exec cp -RL --preserve=timestamps "$1" "$2"' \
            - "${arguments[i]}" "$local_folder/$i" || [[ $stopped ]] || fail "${arguments[i]} could not be copied"
        [[ ! $stopped ]] || return 0
        arguments[i]=$local_folder/$i/$(basename "${arguments[i]}")
    done
}

# Usage: image_of PRODUCT FOLDER
# The name of a product's image.
image_of() {
    local name=$1
    [[ $name != *://* ]] || name=${name%%\?*} # a signature is no part of a name
    name=$(basename "$name")
    name=${name%.zip}
    name=${name%.json}
    printf '%s/%s.tif\n' "${2%/}" "${name%.SAFE}"
}

unstage() {
    on_every_machine rm -rf "$local_folder" || true
}

on_every_machine() {
    srun --mpi=none --nodes="$SLURM_JOB_NUM_NODES" --ntasks="$SLURM_JOB_NUM_NODES" --ntasks-per-node=1 "$@"
}
