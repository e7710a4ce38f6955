# SPDX-License-Identifier: GPL-2.0
#
# The front door, for people. Kbuild, next to it, is for the kernel's makefiles,
# which prefer it over this file. Every target is one script in scripts/; they
# ignore what this make would hand down (jobs, ARCH, KBUILD_*), see
# scripts/lib.sh.

MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.NOTPARALLEL:

# make exports what its command line sets; these also work as environment.
export KDIR T J LANE VARIANT GMEM_CACHE FORCE GRAFT_KVM GRAFT_IOMMU DIR

.PHONY: help demo kvm-demo check check-kvm x86 check-long bench shell graft ungraft kvm-diffstat patches modules mutants clean

help: ## this list
	@echo 'gmem_convert: converting guest memory between shared and private, all or nothing'
	@echo
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/  make \1	\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 18
	@echo
	@echo 'Variables:'
	@echo '  KDIR=DIR        a Linux source tree, 7.2 or newer, instead of fetching one;'
	@echo '                  demo, check, bench and mutants only read it'
	@echo '  T=NAME          with check, x86: run only this test (T=list names them all)'
	@echo '  LANE=uml|x86    with shell: which kernel (default: uml)'
	@echo '  VARIANT=NAME    with x86 and shell: the x86 kernel with kasan, kcsan or kmemleak'
	@echo '  J=N             number of parallel jobs (default: number of CPUs)'
	@echo '  GMEM_CACHE=DIR  downloads and builds (default: ~/.cache/gmem_convert)'
	@echo '  GRAFT_KVM=n     with graft: leave KVM alone'
	@echo '  GRAFT_IOMMU=n   with graft: leave the IOMMU alone'
	@echo '  DIR=DIR         with patches: where the series goes'
	@echo '  FORCE=1         with graft and ungraft: give up changes made to grafted files'

demo: ## install what is missing, build Linux with the library, watch it convert memory
	@scripts/lane demo

kvm-demo: ## the same with a real VM: KVM's guest_memfd on the library, in QEMU
	@scripts/lane kvm-demo

check: ## every test; the last line is "N passed, N failed"
	@scripts/check

check-kvm: ## the tests of KVM alone: the kernel's selftests and ours
	@scripts/check kvm

x86: ## the tests of the x86 lane: several CPUs, KVM, IOMMU, DMA, in QEMU
	@scripts/check x86

check-long: ## the same in kernels with KASAN, KCSAN and kmemleak: more than an hour
	@scripts/check long

bench: ## speed and memory against maple trees and xarrays, measured; a table
	@scripts/bench

shell: ## a prompt in the booted kernel of LANE=uml or x86, or: ... make shell <script
	@scripts/lane shell "$${LANE:-uml}"

mutants: ## break the library on purpose, one rule at a time: each must turn a test red
	@scripts/mutants
	@scripts/tests/x86-mutants defects

kvm-diffstat: ## how much of KVM changes, besides guest_memfd.c
	@scripts/kvm-diffstat

patches: ## all of it as a series for git am, in DIR (default: patches)
	@scripts/patches

graft: ## put the library into the kernel source tree KDIR
	@scripts/graft graft '$(KDIR)'

ungraft: ## take it out of KDIR again, leaving no trace
	@scripts/graft ungraft '$(KDIR)'

modules: ## build the core and its tests as modules for the built kernel KDIR
	@scripts/modules

clean: ## remove this checkout's builds from the cache; downloads stay
	@scripts/clean
