"""What every other package leans on and nobody outside needs: files, processes, progress, wording, compiled parts."""
