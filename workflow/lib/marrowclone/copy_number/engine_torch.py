"""The same smoothing in torch, for a GPU. Sums are float64, so that their order leaves no trace in float32."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

from .engine import Block, Plan, Smoother

#: Rows at a time: some 300 MB of windows on the device.
BLOCK = 8192


@dataclass(frozen=True)
class TorchBlock(Block):
    """A :class:`Block` whose windows stay on the device; only what the threshold keeps leaves it."""

    device_windows: Any = None

    def kept(self, limit: float) -> sp.csr_matrix:
        """Entries that reach ``limit``, CSR float32."""
        import torch

        windows = self.device_windows
        mask = (windows.abs() >= limit) & (windows.to(torch.float32) != 0)
        indptr = np.concatenate([[0], np.cumsum(mask.sum(dim=1).cpu().numpy())])
        indices = mask.nonzero()[:, 1].to(torch.int32).cpu().numpy()
        data = windows[mask].to(torch.float32).cpu().numpy()
        return sp.csr_matrix((data, indices, indptr), shape=tuple(windows.shape))


def smooth_on(device: str) -> Smoother:
    """A function like :func:`~marrowclone.copy_number.engine.smooth_on_cpu` that works on ``device`` of torch."""
    import torch

    fixed: dict[int, dict[str, Any]] = {}  # what does not change between blocks is sent once

    def send(plan: Plan) -> dict[str, Any]:
        if id(plan) not in fixed:
            w = plan.windows
            single = np.zeros(w.n)
            for start, _, _, weight in w.segments:
                single[int(start)] = weight
            arrays = {
                "where": plan.where.astype(np.int64), "bounds": plan.bounds, "base": plan.base,
                "arm_base": plan.arm_base, "first": w.first_block, "single": single,
                "level": w.level, "slope": w.slope, "centre": plan.centre,
            }  # fmt: skip
            fixed.clear()
            sent = {name: torch.as_tensor(np.ascontiguousarray(a), device=device) for name, a in arrays.items()}
            fixed[id(plan)] = sent
        return fixed[id(plan)]

    def smooth(plan: Plan, rows: np.ndarray) -> Block:
        t = send(plan)
        n = len(rows)
        part = plan.counts[rows[0] : rows[-1] + 1] if n and rows[-1] - rows[0] == n - 1 else plan.counts[rows]
        row = torch.as_tensor(np.repeat(np.arange(n), np.diff(part.indptr)), device=device)
        gene = torch.as_tensor(part.indices.astype(np.int64), device=device)
        block, arm = t["where"][gene].unbind(dim=1)
        inside = block >= 0
        row, gene, block, arm = row[inside], gene[inside], block[inside], arm[inside]
        x = torch.as_tensor(part.data, device=device)[inside].to(torch.float64)
        scale = torch.as_tensor(plan.scale[rows], device=device)[row]
        group = torch.as_tensor(plan.group[rows], device=device)
        x = torch.where(scale > 0, torch.log1p(x * scale), x)
        low, high, empty, place = t["bounds"][group[row], gene].unbind(dim=1)
        d = ((x - high).clamp(min=0) + (x - low).clamp(max=0)).clamp(-plan.clip, plan.clip) - empty

        def summed(values: Any, to: Any, width: int) -> Any:
            zeros = torch.zeros(n * width, dtype=torch.float64, device=device)
            return zeros.index_add_(0, row * width + to, values).view(n, width)

        n_blocks, n_arms = plan.windows.n_blocks, plan.arm_base.shape[1]
        total = summed(d, block, n_blocks)
        moment = summed(d * place, block, n_blocks)
        arms = t["arm_base"][group] + summed(d, arm, n_arms)
        windows = t["base"][group] + total[:, t["first"]] * t["single"]
        running = (t["single"] == 0).nonzero()[:, 0]
        smoothed = torch.zeros((n, len(running)), dtype=torch.float64, device=device)
        for k in range(len(plan.windows.level)):
            at = t["first"][running] + k
            smoothed += t["level"][k] * total[:, at] + t["slope"][k] * moment[:, at]
        windows[:, running] += smoothed
        if len(plan.centre):
            ordered = windows[:, t["centre"]].sort(dim=1).values
            m = ordered.shape[1]
            windows -= (0.5 * (ordered[:, (m - 1) // 2] + ordered[:, m // 2]))[:, None]
        sums, squares = windows.sum(dim=1).cpu().numpy(), windows.square().sum(dim=1).cpu().numpy()
        return TorchBlock(np.empty((0, plan.windows.n)), arms.cpu().numpy(), sums, squares, windows)

    return smooth
