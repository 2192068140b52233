# shellcheck shell=bash
# What submit and the batch scripts have to know of a site. This one fits a Slurm where nothing is special.
#
# For another site copy it to sites/NAME.sh, and give submit --site NAME (or S2RGB_SITE). What is set in the
# environment wins over what stands here.

: "${S2RGB_PARTITION=}"          # empty: Slurm's own default
: "${S2RGB_ACCOUNT=}"            # empty: none is given
: "${S2RGB_LAUNCHER=srun}"       # srun or mpirun
: "${S2RGB_MPI=pmix}"            # srun's --mpi: pmix for Open MPI, pmi2 for MPICH
: "${S2RGB_OVERCOMMIT=yes}"      # yes: two ranks more than CPUs, as two of them sleep; no: the two take CPUs
: "${S2RGB_MACHINE_CPUS=}"       # of one machine; empty: Slurm is asked
: "${S2RGB_MACHINE_MEMORY=}"     # MB for jobs on one machine; empty: Slurm is asked
: "${S2RGB_TIME=01:00:00}"       # for a job whose user does not say
: "${S2RGB_LONGEST_TIME=}"       # nobody may ask for more; empty: what the partition allows
: "${S2RGB_RESTARTS=20}"         # how often a stopped job requeues itself
: "${S2RGB_PYTHON=$S2RGB_HOME/.venv/bin/python}"

# Called where the job is submitted, and again at its beginning.
load_modules() {
    : # such as: module load Python GDAL mpi4py
}
