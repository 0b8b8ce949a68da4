#Requires -RunAsAdministrator
#Requires -Version 5.1
<#
.SYNOPSIS
Installs a Coco node as a Windows service that runs as LOCAL SERVICE.

.DESCRIPTION
Node.js does not speak the protocol of the service manager, so a wrapper does: WinSW, which you
download yourself and whose SHA-256 you give. It stops the node with Ctrl+C, as a person would.

The script says whether Windows runs with virtualization-based security (VSM) and memory
integrity (HVCI), and refuses without them unless -AllowWithoutVbs is given. They protect the
kernel, not the memory of the node: docs/deployment.md.

.EXAMPLE
.\install-service.ps1 -ProgramPath C:\coco -ConfigPath C:\ProgramData\Coco\node.json `
  -WrapperPath C:\Downloads\WinSW-x64.exe -WrapperSha256 <64 hexadecimal digits>

.EXAMPLE
.\install-service.ps1 -Uninstall
#>
[CmdletBinding(DefaultParameterSetName = 'Install')]
param(
  [Parameter(Mandatory, ParameterSetName = 'Install')]
  [ValidateScript({ Test-Path (Join-Path $_ 'packages\cli\bin\coco.js') })]
  [string] $ProgramPath,

  [Parameter(Mandatory, ParameterSetName = 'Install')]
  [ValidateScript({ Test-Path $_ -PathType Leaf })]
  [string] $ConfigPath,

  [Parameter(Mandatory, ParameterSetName = 'Install')]
  [ValidateScript({ Test-Path $_ -PathType Leaf })]
  [string] $WrapperPath,

  [Parameter(Mandatory, ParameterSetName = 'Install')]
  [ValidatePattern('^[0-9A-Fa-f]{64}$')]
  [string] $WrapperSha256,

  [Parameter(ParameterSetName = 'Install')]
  [string] $NodePath = (Get-Command node.exe -ErrorAction SilentlyContinue).Source,

  [Parameter(ParameterSetName = 'Install')]
  [switch] $AllowWithoutVbs,

  [Parameter(Mandatory, ParameterSetName = 'Uninstall')]
  [switch] $Uninstall,

  [string] $DataPath = (Join-Path $env:ProgramData 'Coco')
)

Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'
$serviceName = 'CocoNode'
$wrapper = Join-Path $DataPath 'coco-node-service.exe'

function Get-VbsState {
  $guard = Get-CimInstance -Namespace 'root\Microsoft\Windows\DeviceGuard' -ClassName Win32_DeviceGuard
  [pscustomobject]@{
    # 2: running. Services: 1 Credential Guard, 2 memory integrity.
    IsVbsRunning  = $guard.VirtualizationBasedSecurityStatus -eq 2
    IsHvciRunning = @($guard.SecurityServicesRunning) -contains 2
    IsSecureBoot  = @($guard.AvailableSecurityProperties) -contains 2
  }
}

function Invoke-Wrapper([string] $verb) {
  & $wrapper $verb
  if ($LASTEXITCODE -ne 0) { throw "the wrapper could not $verb the service ($LASTEXITCODE)" }
}

if ($Uninstall) {
  if (-not (Test-Path $wrapper)) { throw "there is no service: $wrapper is missing" }
  if ((Get-Service $serviceName).Status -ne 'Stopped') { Stop-Service $serviceName }
  Invoke-Wrapper 'uninstall'
  Write-Host "Removed. The ledger is still in $DataPath"
  return
}

if (-not $NodePath) { throw 'node.exe was not found; give -NodePath' }
$hash = (Get-FileHash $WrapperPath -Algorithm SHA256).Hash
if ($hash -ne $WrapperSha256.ToUpperInvariant()) { throw "$WrapperPath has the SHA-256 $hash" }

$state = Get-VbsState
Write-Host ($state | Format-List | Out-String).Trim()
if (-not ($state.IsVbsRunning -and $state.IsHvciRunning) -and -not $AllowWithoutVbs) {
  throw 'virtualization-based security with memory integrity does not run; see -AllowWithoutVbs'
}

New-Item -ItemType Directory -Force $DataPath | Out-Null
# Administrators and the service only: S-1-5-19 is LOCAL SERVICE, S-1-5-32-544 Administrators.
icacls $DataPath /inheritance:r /grant '*S-1-5-19:(OI)(CI)M' '*S-1-5-32-544:(OI)(CI)F' /Q | Out-Null
if ($LASTEXITCODE -ne 0) { throw "the rights of $DataPath could not be set" }
Copy-Item $WrapperPath $wrapper -Force

function ConvertTo-Xml([string] $text) { [System.Security.SecurityElement]::Escape($text) }
$script = Join-Path $ProgramPath 'packages\cli\bin\coco.js'
$arguments = '"{0}" node run --config "{1}"' -f $script, $ConfigPath
@"
<service>
  <id>$serviceName</id>
  <name>Coco node</name>
  <description>A node of a Coco service.</description>
  <executable>$(ConvertTo-Xml $NodePath)</executable>
  <arguments>$(ConvertTo-Xml $arguments)</arguments>
  <workingdirectory>$(ConvertTo-Xml $DataPath)</workingdirectory>
  <env name="COCO_PREPARED" value="1"/>
  <env name="NODE_ENV" value="production"/>
  <serviceaccount>
    <username>NT AUTHORITY\LocalService</username>
  </serviceaccount>
  <startmode>Manual</startmode>
  <!-- A node that ended has lost its keys; the members recover the service. -->
  <onfailure action="none"/>
  <stoptimeout>60 sec</stoptimeout>
  <logpath>$(ConvertTo-Xml (Join-Path $DataPath 'logs'))</logpath>
  <log mode="roll-by-size"/>
</service>
"@ | Set-Content ([System.IO.Path]::ChangeExtension($wrapper, '.xml')) -Encoding UTF8

Invoke-Wrapper 'install'
Start-Service $serviceName
Write-Host "The service $serviceName runs. Its log is in $(Join-Path $DataPath 'logs')"
