"""SchNet for zoo: Schütt et al., J. Chem. Phys. 148, 241722 (2018)."""

from pydantic import BaseModel, ConfigDict, Field

from zoo import Network


class Settings(BaseModel):
    """Sizes of a SchNet: features per atom, interactions, and Gaussians from 0 to `cutoff` in Å."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    features: int = Field(default=64, ge=1, le=512)
    interactions: int = Field(default=3, ge=1, le=16)
    gaussians: int = Field(default=50, ge=2, le=500)
    cutoff: float = Field(default=8.0, gt=0, le=50)


def build(settings):
    """Return the torch module, which is imported only here, because torch takes seconds to import."""
    from zoo_plugin_schnet.module import SchNet

    return SchNet(settings)


schnet = Network(
    name="schnet",
    settings=Settings,
    build=build,
    description="Continuous-filter convolutions on interatomic distances.",
    citation="Schütt et al., J. Chem. Phys. 148, 241722 (2018), doi:10.1063/1.5019779",
)
