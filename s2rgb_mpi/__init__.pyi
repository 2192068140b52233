from s2rgb_mpi import errors as errors
from s2rgb_mpi.image.profile import Profile as Profile
from s2rgb_mpi.image.radiometry import Exopp as Exopp
from s2rgb_mpi.image.radiometry import Stretch as Stretch
from s2rgb_mpi.image.radiometry import Tci as Tci
from s2rgb_mpi.plan.job import Job as Job
from s2rgb_mpi.ranks.convert import Result as Result
from s2rgb_mpi.ranks.convert import convert as convert
from s2rgb_mpi.report.outputs import Wanted as Wanted

__version__: str
